"""manifests.py kubernetes FILE… | compose FILE: looks at what sites start the receiver by. Says what is wrong and
ends with 1. Known settings come on standard input, as `oxidicom --settings` prints them."""
import re
import sys

import yaml

# Of Prometheus' operator; no schema of Kubernetes' own.
WITHOUT_SCHEMA = {"ServiceMonitor"}

known = set(re.findall(r"`([A-Z_]+)`", sys.stdin.read()))
wrong = []


def check(holds, what):
    if not holds:
        wrong.append(what)


def check_names(where, names):
    for name in names:
        check(name in known, f"{where}: no setting {name}")


def check_pod(where, pod):
    check(pod["securityContext"]["runAsNonRoot"] is True, f"{where}: may be root")
    check(pod["terminationGracePeriodSeconds"] >= 65, f"{where}: killed before it can drain")
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
        check_names(name, [variable["name"] for variable in container["env"]])


def check_resource(where, resource):
    kind = resource["kind"]
    if kind == "StatefulSet":
        check_pod(where, resource["spec"]["template"]["spec"])
        chosen = resource["spec"]["selector"]["matchLabels"]
        labels = resource["spec"]["template"]["metadata"]["labels"]
        check(chosen and chosen.items() <= labels.items(), f"{where}: selects others' pods")
    if kind == "Service" and resource["spec"].get("clusterIP") != "None":
        check(resource["spec"]["sessionAffinity"] == "ClientIP", f"{where}: a series may reach two replicas")
    if kind == "ConfigMap":
        check_names(where, resource["data"])


def kubernetes(paths):
    import kubernetes_validate

    for path in paths:
        with open(path) as file:
            resources = [resource for resource in yaml.safe_load_all(file) if resource]
        kinds = {resource["kind"] for resource in resources}
        check({"StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"} <= kinds, f"{path}: only {kinds}")
        for resource in resources:
            where = f"{path}: {resource['kind']} {resource['metadata']['name']}"
            check_resource(where, resource)
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
