"""manifests.py kubernetes VERSION FILE… | chris FILE FACTS | compose FILE: looks at what sites start the receiver by. Says
what is wrong and ends with 1. Known settings come on standard input, as `oxidicom --settings` prints them."""
import re
import sys

import yaml

# Of Prometheus' operator; no schema of Kubernetes' own.
WITHOUT_SCHEMA = {"ServiceMonitor", "PrometheusRule"}

with open("common/metrics_table.c") as file:
    gauges = set(re.findall(r'\bGAUGE\(\s*"(\w+)"', file.read()))
with open("common/version.h") as file:
    version = re.search(r'OXIDICOM_VERSION "(.*)"', file.read()).group(1)
table = sys.stdin.read()
known = set(re.findall(r"`([A-Z_]+)`", table))
wrong = []


def check(holds, what):
    if not holds:
        wrong.append(what)


def check_names(where, names):
    for name in names:
        check(name in known, f"{where}: no setting {name}")


def settings_of(container):
    return {variable["name"]: variable.get("value") for variable in container.get("env", [])}


def check_secrets(name, container, settings, tells):
    """Each secret is there as the settings name it, and only for the stage that needs it."""
    named = {value.split("/")[2] for value in settings.values() if value and value.startswith("/secrets/")}
    mounted = {mount["mountPath"].split("/")[2]: mount for mount in container["volumeMounts"]
               if mount["mountPath"].startswith("/secrets/")}
    check(set(mounted) <= named, f"{name}: is given the secrets {set(mounted) - named} for nothing")
    check(all(mount["readOnly"] for mount in mounted.values()), f"{name}: may change a secret")
    for variable, value in settings.items():
        if value and value.startswith("/secrets/"):
            own = variable.startswith("OXIDICOM_TLS_") != tells or container["name"] == "oxidicom"
            check((value.split("/")[2] in mounted) == own or container["name"].startswith("writer"),
                  f"{name}: {variable} is {value}, which it is not given")
    text = "OXIDICOM_NATS_ADDRESS" in settings and "OXIDICOM_NATS_ADDRESS_FILE" in settings
    check(not text, f"{name}: two addresses of NATS")


def check_probes(name, container, settings, ports, native):
    stage = container.get("command", ["launcher"])[0].removeprefix("oxidicom-")
    tells = stage in ("launcher", "notifier")
    probes = {kind: container[kind] for kind in ("startupProbe", "readinessProbe", "livenessProbe") if kind in container}
    check(("readinessProbe" in probes) == (stage != "writer"), f"{name}: nobody asks whether it is ready")
    if tells:
        served = int(settings.get("OXIDICOM_HTTP_PORT") or 0)
        check(ports.get("http", 0) == served, f"{name}: OXIDICOM_HTTP_PORT is {served}, its port is another")
        check(not served or settings["OXIDICOM_HTTP_ADDRESS"] == "0.0.0.0", f"{name}: its HTTP port can't be reached")
        # A native sidecar's start must not wait for the stages that start after it.
        waits = served or not native
        check(("startupProbe" in probes) == bool(waits), f"{name}: killed while it opens its journal, or before the rest")
        asked = {kind: probe["httpGet"]["path"] for kind, probe in probes.items() if "httpGet" in probe}
        wanted = {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"} if served else {}
        check(asked == wanted, f"{name}: is asked at {asked}")
    for kind, probe in probes.items():
        port = probe.get("httpGet", probe.get("tcpSocket", {"port": None}))["port"]
        check(port is None or port in ports, f"{name}: {kind} asks at {port}")
        kills = kind != "readinessProbe" and stage == "notifier"
        check(not kills or probe["terminationGracePeriodSeconds"] <= 10, f"{name}: {kind} waits for a notifier that hangs")


def check_stage(name, container, settings, native):
    """What the container's stage needs, and nothing that it does not: the launcher, where no command is given."""
    stage = container.get("command", ["launcher"])[0].removeprefix("oxidicom-")
    tells, hears = stage in ("launcher", "notifier"), stage in ("launcher", "listener")
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    broker = [variable in settings for variable in ("OXIDICOM_AMQP_ADDRESS", "OXIDICOM_AMQP_ADDRESS_FILE")]
    check(sum(broker) == tells, f"{name}: the broker's address is the notifier's, once")
    check(("files" in mounts) == (stage != "listener"), f"{name}: storage is for all but the listener")
    check("state" not in mounts or tells, f"{name}: the journal is the notifier's")
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    plain, tls = int(settings.get("OXIDICOM_LISTENER_PORT", 11111)), int(settings.get("OXIDICOM_TLS_PORT", 0))
    check(ports.get("dicom", 0) == (plain if hears else 0), f"{name}: DICOM at {ports}, but {plain} is set")
    check(ports.get("dicom-tls", 0) == (tls if hears else 0), f"{name}: DICOM over TLS at {ports}, but {tls} is set")
    check(not hears or (plain in (0, 11111) and tls in (0, 2762) and plain + tls), f"{name}: ports {plain} and {tls}")
    check_secrets(name, container, settings, tells)
    check_probes(name, container, settings, ports, native)


def check_container(where, container, volumes, maps, native):
    name = f"{where}/{container['name']}"
    context = container["securityContext"]
    check(context["readOnlyRootFilesystem"] is True, f"{name}: its root can be written")
    check(context["allowPrivilegeEscalation"] is False, f"{name}: may gain rights")
    check(context["capabilities"] == {"drop": ["ALL"]}, f"{name}: has capabilities")
    check(container["image"].endswith(":" + version), f"{name}: the image is {container['image']}")
    sidecar = native and container["command"] != ["oxidicom-listener"]
    check(("preStop" in container.get("lifecycle", {})) != sidecar, f"{name}: ends too early or too late")
    check("memory" in container["resources"]["limits"], f"{name}: no limit of memory")
    check({mount["name"] for mount in container["volumeMounts"]} <= volumes, f"{name}: mounts what is not there")
    settings = settings_of(container)
    check_names(name, settings)
    for source in container.get("envFrom", []):
        settings = maps[source["configMapRef"]["name"]] | settings
    check_stage(name, container, settings, native)


def check_pod(where, pod, maps, claims):
    check(pod["securityContext"]["runAsNonRoot"] is True, f"{where}: may be root")
    check(pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch", f"{where}: each start goes through all files")
    check(pod.get("enableServiceLinks") is False, f"{where}: a Service oxidicom-tls sets OXIDICOM_TLS_PORT")
    check(pod["terminationGracePeriodSeconds"] >= 25, f"{where}: killed before it can drain")
    volumes = {volume["name"] for volume in pod["volumes"]} | claims
    before = pod.get("initContainers", [])
    check(all(container["restartPolicy"] == "Always" for container in before), f"{where}: an init container that must end")
    containers = before + pod["containers"]
    for container in containers:
        check_container(where, container, volumes, maps, bool(before))
    stages = [container.get("command", ["launcher"])[0] for container in containers]
    whole = stages == ["launcher"] or {"oxidicom-listener", "oxidicom-writer", "oxidicom-notifier"} == set(stages)
    check(whole, f"{where}: {stages} are no ring")
    ordered = stages[0] == "oxidicom-notifier" and stages[-1] == "oxidicom-listener" and len(pod["containers"]) == 1
    check(ordered or not before, f"{where}: {stages} are not ended from the listener to the notifier")
    writers = [settings_of(container)["OXIDICOM_WRITER_ID"] for container in containers
               if container.get("command") == ["oxidicom-writer"]]
    check(len(writers) == len(set(writers)), f"{where}: two writers of one name")


def check_resource(where, resource, maps):
    kind = resource["kind"]
    if kind == "StatefulSet":
        claims = {claim["metadata"]["name"] for claim in resource["spec"].get("volumeClaimTemplates", [])}
        check_pod(where, resource["spec"]["template"]["spec"], maps, claims)
        chosen = resource["spec"]["selector"]["matchLabels"]
        labels = resource["spec"]["template"]["metadata"]["labels"]
        check(chosen and chosen.items() <= labels.items(), f"{where}: selects others' pods")
    if kind == "Service" and resource["spec"].get("clusterIP") != "None":
        check(resource["spec"]["sessionAffinity"] == "ClientIP", f"{where}: a series may reach two replicas")
    if kind == "ConfigMap":
        check_names(where, resource["data"])
    if kind == "HorizontalPodAutoscaler":
        for metric in resource["spec"]["metrics"]:
            name = metric["pods"]["metric"]["name"]
            check(name in gauges, f"{where}: there is no gauge {name}")


def check_scaling(path, by_kind):
    """Who is scaled away leaves its journal where another one takes it over."""
    if "HorizontalPodAutoscaler" not in by_kind:
        return
    stateful, scaler = by_kind["StatefulSet"][0]["spec"], by_kind["HorizontalPodAutoscaler"][0]["spec"]
    check("replicas" not in stateful, f"{path}: undoes what the autoscaler does")
    check("volumeClaimTemplates" not in stateful, f"{path}: a replica that is scaled away takes its journal along")
    check(scaler["minReplicas"] <= scaler["maxReplicas"], f"{path}: at most fewer replicas than at least")


def check_ports(path, by_kind):
    """Service and NetworkPolicy have the pod's DICOM ports, by name, and no others."""
    pod = by_kind["StatefulSet"][0]["spec"]["template"]["spec"]
    names = {port["name"] for container in pod["containers"] for port in container.get("ports", [])} - {"http"}
    for service in by_kind["Service"]:
        to = {port["targetPort"] for port in service["spec"]["ports"]} - {"http"}
        check(to == names, f"{path}: Service {service['metadata']['name']} leads to {to}, the pod has {names}")
    let_in = {port["port"] for policy in by_kind["NetworkPolicy"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    check(let_in - {"http"} == names, f"{path}: the NetworkPolicy lets in {let_in}, the pod has {names}")


def check_http(path, by_kind):
    """Who reaches the HTTP port, if there is one: Prometheus, by a Service, and nobody else."""
    pod = by_kind["StatefulSet"][0]["spec"]["template"]["spec"]
    served = any(port["name"] == "http" for container in pod.get("initContainers", []) + pod["containers"]
                 for port in container.get("ports", []))
    rules = [rule for policy in by_kind["NetworkPolicy"] for rule in policy["spec"]["ingress"]
             if any(port["port"] == "http" for port in rule["ports"])]
    check(bool(rules) == served, f"{path}: the NetworkPolicy and the HTTP port do not go together")
    for rule in rules:
        closed = all(peer.get("namespaceSelector") and peer.get("podSelector") for peer in rule.get("from", []))
        check(rule.get("from") and closed, f"{path}: anybody may reach the HTTP port")
        check(all(port["port"] != "dicom" for port in rule["ports"]), f"{path}: who may send DICOM is bound to who may read figures")
    for monitor in by_kind.get("ServiceMonitor", []):
        chosen = monitor["spec"]["selector"]["matchLabels"].items()
        ports = {port["name"] for service in by_kind["Service"] for port in service["spec"]["ports"]
                 if chosen <= service["metadata"]["labels"].items()}
        check(all(end["port"] in ports for end in monitor["spec"]["endpoints"]), f"{path}: a monitor of nothing")
    scaled = by_kind.get("HorizontalPodAutoscaler", []) + by_kind.get("ServiceMonitor", [])
    check(served or not scaled, f"{path}: figures that nobody serves")


def load(path):
    with open(path) as file:
        return [resource for resource in yaml.safe_load_all(file) if resource]


def chris(paths):
    """How the worked example differs from what the ChRIS chart itself starts: in nothing, or as the facts say."""
    resources = {resource["kind"] + "/" + resource["metadata"]["name"]: resource for resource in load(paths[0])}
    (theirs,) = load(paths[1])
    pod = resources["StatefulSet/" + theirs["name"]]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ours = {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container["env"]}
    differ = {name for name in set(ours) | set(theirs["environment"]) if ours.get(name) != theirs["environment"].get(name)}
    check(differ == set(theirs["differs"]), f"the environments differ in {differ}")
    (port,) = resources["Service/" + theirs["service"]["name"]]["spec"]["ports"]
    check(port["port"] == theirs["service"]["port"], f"the Service has port {port}")
    (claim,) = [volume["persistentVolumeClaim"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    mounts = [mount for mount in container["volumeMounts"] if mount["name"] == "files"]
    check([claim["claimName"], mounts[0]["mountPath"]] == [theirs["claim"], theirs["mount"]], f"storage is {claim}")
    check(container["resources"] == theirs["resources"], f"resources are {container['resources']}")
    with open("deploy/CONTAINERS.md") as file:
        text = file.read()
    for name in theirs["differs"]:
        check(name in text, f"deploy/CONTAINERS.md does not say that {name} differs")


def kubernetes(arguments):
    import kubernetes_validate

    release, *paths = arguments
    for path in paths:
        resources = load(path)
        by_kind = {}
        for resource in resources:
            by_kind.setdefault(resource["kind"], []).append(resource)
        kinds = {resource["kind"] for resource in resources}
        check({"StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"} <= kinds, f"{path}: only {kinds}")
        maps = {resource["metadata"]["name"]: resource["data"] for resource in resources if resource["kind"] == "ConfigMap"}
        check_http(path, by_kind)
        check_ports(path, by_kind)
        check_scaling(path, by_kind)
        for resource in resources:
            where = f"{path}: {resource['kind']} {resource['metadata']['name']}"
            check_resource(where, resource, maps)
            if resource["kind"] in WITHOUT_SCHEMA:
                continue
            try:
                kubernetes_validate.validate(resource, release, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                wrong.append(f"{where}: {error}")


def compose(paths):
    from compose_spec import models

    with open("deploy/compose/minichris.yaml") as file:
        override = yaml.safe_load(file)
    check(set(override["services"]) == {"oxidicom"}, "miniChRIS's other services stay as they are")
    check(override["services"]["oxidicom"]["image"] == "oxidicom:" + version, "miniChRIS is given another image")

    # The model knows each field's type, but lets fields pass that it does not know.
    fields = {field.alias or name for name, field in models.Service.model_fields.items()}
    for path in paths:
        with open(path) as file:
            text = file.read()
        try:
            models.ComposeSpecification.model_validate(yaml.safe_load(text))
        except Exception as error:  # any exception means that it is not valid
            wrong.append(f"{path}: {error}")
        site = yaml.safe_load(text)
        for name, service in site["services"].items():
            check(set(service) <= fields, f"{path}: {name}: {set(service) - fields} is nothing that Compose knows")
        ours = site["services"]["oxidicom"]
        check(set(site["services"]) == {"queue", "nats", "orthanc", "oxidicom"}, "other services than told")
        check(ours["read_only"] is True and ours["cap_drop"] == ["ALL"] and ours["user"] == "1001:0", "too many rights")
        check_names(path, ours["environment"])
        for name, value in re.findall(r"\$\{(\w+):-(\S+)\}", text):
            check(f"| `{name}` | `{value}` |" in table, f"{path}: {value} is not the default of {name}")


{"kubernetes": kubernetes, "chris": chris, "compose": compose}[sys.argv[1]](sys.argv[2:])
print("\n".join(wrong))
sys.exit(bool(wrong))
