"""manifests.py kubernetes FILE… | compose FILE: looks at what sites start the receiver by. Says what is wrong and
ends with 1. Known settings come on standard input, as `oxidicom --settings` prints them."""
import re
import sys

import yaml

# Of Prometheus' operator; no schema of Kubernetes' own.
WITHOUT_SCHEMA = {"ServiceMonitor"}

with open("common/metrics_table.c") as file:
    gauges = set(re.findall(r'\bGAUGE\(\s*"(\w+)"', file.read()))
known = set(re.findall(r"`([A-Z_]+)`", sys.stdin.read()))
wrong = []


def check(holds, what):
    if not holds:
        wrong.append(what)


def check_names(where, names):
    for name in names:
        check(name in known, f"{where}: no setting {name}")


def settings_of(container):
    return {variable["name"]: variable.get("value") for variable in container.get("env", [])}


def check_stage(name, container, settings):
    """What the container's stage needs, and nothing that it does not: the launcher, where no command is given."""
    stage = container.get("command", ["launcher"])[0].removeprefix("oxidicom-")
    tells = stage in ("launcher", "notifier")
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    check(("OXIDICOM_AMQP_ADDRESS" in settings) == tells, f"{name}: the broker's address is the notifier's")
    check(("files" in mounts) == (stage != "listener"), f"{name}: storage is for all but the listener")
    check("state" not in mounts or tells, f"{name}: the journal is the notifier's")
    probes = {kind: container[kind] for kind in ("startupProbe", "readinessProbe", "livenessProbe") if kind in container}
    check(("readinessProbe" in probes) == (stage != "writer"), f"{name}: nobody asks whether it is ready")
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    check((ports.get("dicom") == 11111) == (stage in ("launcher", "listener")), f"{name}: DICOM at {ports}")
    if tells:
        served = int(settings.get("OXIDICOM_HTTP_PORT") or 0)
        check(ports.get("http", 0) == served, f"{name}: OXIDICOM_HTTP_PORT is {served}, its port is another")
        check(not served or settings["OXIDICOM_HTTP_ADDRESS"] == "0.0.0.0", f"{name}: its HTTP port can't be reached")
        check("startupProbe" in probes, f"{name}: killed while it opens its journal")
        asked = {kind: probe["httpGet"]["path"] for kind, probe in probes.items() if "httpGet" in probe}
        wanted = {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"} if served else {}
        check(asked == wanted, f"{name}: is asked at {asked}")
    for kind, probe in probes.items():
        port = probe.get("httpGet", probe.get("tcpSocket", {"port": None}))["port"]
        check(port is None or port in ports, f"{name}: {kind} asks at {port}")


def check_pod(where, pod, maps):
    check(pod["securityContext"]["runAsNonRoot"] is True, f"{where}: may be root")
    check(pod["terminationGracePeriodSeconds"] >= 25, f"{where}: killed before it can drain")
    volumes = {volume["name"] for volume in pod["volumes"]} | {"state"}
    for container in pod["containers"]:
        name = f"{where}/{container['name']}"
        context = container["securityContext"]
        check(context["readOnlyRootFilesystem"] is True, f"{name}: its root can be written")
        check(context["allowPrivilegeEscalation"] is False, f"{name}: may gain rights")
        check(context["capabilities"] == {"drop": ["ALL"]}, f"{name}: has capabilities")
        check("preStop" in container["lifecycle"], f"{name}: no preStop")
        check("memory" in container["resources"]["limits"], f"{name}: no limit of memory")
        check({mount["name"] for mount in container["volumeMounts"]} <= volumes, f"{name}: mounts what is not there")
        settings = settings_of(container)
        check_names(name, settings)
        for source in container.get("envFrom", []):
            settings |= maps[source["configMapRef"]["name"]]
        check_stage(name, container, settings)
    stages = [container.get("command", ["launcher"])[0] for container in pod["containers"]]
    whole = stages == ["launcher"] or {"oxidicom-listener", "oxidicom-writer", "oxidicom-notifier"} == set(stages)
    check(whole, f"{where}: {stages} are no ring")
    writers = [settings_of(container)["OXIDICOM_WRITER_ID"] for container in pod["containers"]
               if container.get("command") == ["oxidicom-writer"]]
    check(len(writers) == len(set(writers)), f"{where}: two writers of one name")


def check_resource(where, resource, maps):
    kind = resource["kind"]
    if kind == "StatefulSet":
        check_pod(where, resource["spec"]["template"]["spec"], maps)
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


def check_http(path, resources):
    """Who reaches the HTTP port, if there is one: Prometheus, by a Service, and nobody else."""
    by_kind = {}
    for resource in resources:
        by_kind.setdefault(resource["kind"], []).append(resource)
    pod = by_kind["StatefulSet"][0]["spec"]["template"]["spec"]
    served = any(port["name"] == "http" for container in pod["containers"] for port in container.get("ports", []))
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
    if "HorizontalPodAutoscaler" in by_kind:
        check("replicas" not in by_kind["StatefulSet"][0]["spec"], f"{path}: undoes what the autoscaler does")


def kubernetes(paths):
    import kubernetes_validate

    for path in paths:
        with open(path) as file:
            resources = [resource for resource in yaml.safe_load_all(file) if resource]
        kinds = {resource["kind"] for resource in resources}
        check({"StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"} <= kinds, f"{path}: only {kinds}")
        maps = {resource["metadata"]["name"]: resource["data"] for resource in resources if resource["kind"] == "ConfigMap"}
        check_http(path, resources)
        for resource in resources:
            where = f"{path}: {resource['kind']} {resource['metadata']['name']}"
            check_resource(where, resource, maps)
            if resource["kind"] in WITHOUT_SCHEMA:
                continue
            try:
                kubernetes_validate.validate(resource, "1.33", strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                wrong.append(f"{where}: {error}")


def compose(paths):
    from compose_spec import models

    # The model knows each field's type, but lets fields pass that it does not know.
    fields = {field.alias or name for name, field in models.Service.model_fields.items()}
    for path in paths:
        with open(path) as file:
            text = file.read()
        try:
            models.ComposeSpecification.model_validate(yaml.safe_load(text))
        except Exception as error:  # whatever it raises means that it is not valid
            wrong.append(f"{path}: {error}")
        site = yaml.safe_load(text)
        for name, service in site["services"].items():
            check(set(service) <= fields, f"{path}: {name}: {set(service) - fields} is nothing that Compose knows")
        ours = site["services"]["oxidicom"]
        check(set(site["services"]) == {"queue", "nats", "orthanc", "oxidicom"}, "other services than told")
        check(ours["read_only"] is True and ours["cap_drop"] == ["ALL"] and ours["user"] == "1001:0", "too many rights")
        check_names(path, ours["environment"])


{"kubernetes": kubernetes, "compose": compose}[sys.argv[1]](sys.argv[2:])
print("\n".join(wrong))
sys.exit(bool(wrong))
