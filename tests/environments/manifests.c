/* What sites start the receiver by: rendered, and compared with the schemas of Kubernetes and Compose. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/environments/container.h"

#define TOOL_MS (15 * 60 * 1000)

static int shell(const char *log, const char *command) {
    return process_run(log, NULL, (const char *const[]){"bash", "-c", command, NULL}, TOOL_MS);
}

/* Skips the test, by name, where a tool can't be had. */
static void need(const char *tool) {
    char *command = text_of("tests/environments/tools.sh %s", tool);
    if (shell(NULL, command) != 0)
        cr_skip_test("%s can't be had", tool);
    free(command);
}

static void expect_fine(const char *command) {
    char *folder = temporary_folder("manifests"), *log = text_of("%s/log", folder),
         *whole = text_of("set -euo pipefail; at=%s; %s", folder, command);
    size_t size;
    int status = shell(log, whole);
    char *said = file_content(log, &size);
    cr_assert_eq(status, 0, "%s", said);
    remove_folder(folder);
    free(folder);
    free(log);
    free(whole);
    free(said);
}

#define CHECK    "build/bin/oxidicom --settings | build/tools/python tests/environments/manifests.py "
#define TEMPLATE "build/tools/helm template oxidicom deploy/helm/oxidicom "
/* Of Kubernetes, that the chart allows; kustomize has no way to leave out what an older one does not know. */
#define OLDEST          "1.25"
#define OLDEST_PLAIN    "1.27"
#define OLDEST_SIDECARS "1.29"
#define NEWEST          "1.33"

Test(manifests, of_kustomize_are_valid_in_base_and_every_overlay, .timeout = 1200) {
    need("python");
    need("kustomize");
    expect_fine("for folder in deploy/kubernetes/base deploy/kubernetes/overlays/*; do "
                "build/tools/kustomize $folder >$at/${folder##*/}.yaml; done; "
                "[ $(ls $at/*.yaml | wc -l) -eq 6 ]; " CHECK "kubernetes " NEWEST " $at/*.yaml; " CHECK
                "kubernetes " OLDEST_SIDECARS " $at/*.yaml; rm $at/sidecars.yaml $at/tls.yaml; " CHECK
                "kubernetes " OLDEST_PLAIN " $at/*.yaml");
}

#define EVERYTHING                                                                                                 \
    "httpPort=9090,serviceMonitor.enabled=true,prometheusRule.enabled=true,autoscaling.enabled=true,"              \
    "storage.create=true,service.port=104,service.type=LoadBalancer,service.externalTrafficPolicy=Cluster"

Test(manifests, of_helm_are_valid_with_its_own_values_and_every_documented_file, .timeout = 1200) {
    need("python");
    need("helm");
    expect_fine(
        "for release in " OLDEST " " NEWEST "; do chart='" TEMPLATE
        "--kube-version '$release.0; $chart >$at/default.yaml; "
        "for file in deploy/helm/*.yaml tests/environments/chris-values.yaml; do $chart -f $file "
        ">$at/${file##*/}; $chart -f $file --set form=sidecars," EVERYTHING " >$at/all-${file##*/}; done; "
        "$chart --set " EVERYTHING " >$at/all.yaml; $chart --set form=sidecars >$at/sidecars.yaml; "
        "$chart --set form=sidecars,nativeSidecars=false,httpPort=9090,journal.enabled=false >$at/older.yaml; "
        "grep -q PrometheusRule $at/all.yaml; [ $(ls $at/*.yaml | wc -l) -eq 12 ]; " CHECK
        "kubernetes $release $at/*.yaml || exit 1; done");
}

Test(manifests, of_helm_have_nothing_that_a_strict_lint_finds, .timeout = 1200) {
    need("helm");
    expect_fine(
        "for file in deploy/helm/oxidicom/values.yaml deploy/helm/*.yaml tests/environments/chris-values.yaml; do "
        "build/tools/helm lint --strict deploy/helm/oxidicom -f $file || exit 1; done");
}

Test(manifests, of_the_example_beside_the_chris_chart_differ_from_its_own_only_as_the_text_says, .timeout = 1200) {
    need("python");
    need("helm");
    expect_fine(TEMPLATE "-f deploy/helm/chris.yaml --kube-version " NEWEST ".0 >$at/ours; " CHECK
                         "chris $at/ours tests/environments/chris-facts.yaml");
}

Test(manifests, of_helm_have_a_container_for_each_stage_and_writer_where_the_form_is_sidecars, .timeout = 1200) {
    need("helm");
    expect_fine(
        "stages() { " TEMPLATE "--kube-version \"$@\" | "
        "sed -n -e 's/^      \\(i*n*i*t*[Cc]ontainers\\):$/\\1/p' "
        "-e 's/^        - name: \\([a-z]*-*[0-9]*\\)$/\\1/p' | grep -v '^files$\\|^run$' | paste -sd ' '; }; "
        "expect() { echo \"$1, not $2\"; [ \"$1\" = \"$2\" ]; }; "
        "expect \"$(stages 1.33.0)\" 'containers oxidicom'; "
        "expect \"$(stages 1.33.0 --set form=sidecars)\" 'initContainers notifier writer-0 containers listener'; "
        "expect \"$(stages 1.28.0 --set form=sidecars)\" 'containers listener writer-0 notifier'; "
        "expect \"$(stages 1.33.0 --set form=sidecars,nativeSidecars=false)\" 'containers listener writer-0 "
        "notifier'; "
        "expect \"$(stages 1.33.0 --set form=sidecars,config.writers=3,config.tokioThreads=2)\" "
        "'initContainers notifier writer-0 writer-1 writer-2 containers listener'; "
        "expect \"$(stages 1.28.0 --set form=sidecars,config.tokioThreads=2)\" "
        "'containers listener writer-0 writer-1 notifier'");
}

Test(manifests, of_helm_are_none_where_values_contradict_each_other, .timeout = 1200) {
    need("helm");
    expect_fine(
        "refuse() { if " TEMPLATE
        "--kube-version 1.33.0 --set $1 >$at/out 2>&1; then echo \"$1 is taken\"; exit 1; fi; "
        "grep -F \"$2\" $at/out || { cat $at/out; exit 1; }; }; "
        "refuse form=threads form; refuse serviceMonitor.enabled=true httpPort; "
        "refuse autoscaling.enabled=true httpPort; refuse prometheusRule.enabled=true httpPort; "
        "refuse aet= 'aet is required'; refuse config.threads=3 threads; refuse replica=3 replica; "
        "refuse config.seriesQuiet=3 seriesQuiet; refuse config.abortQuiet=soon abortQuiet; "
        "refuse storage.maxObjectSize=much maxObjectSize; refuse storage.fileMode=r fileMode; "
        "refuse journal.maxSize=1Gi journal.maxSize; refuse tls.aets[0]=PACS tls.aets.0; "
        "refuse service.port=0 service.port; refuse service.externalTrafficPolicy=local externalTrafficPolicy; "
        "refuse httpPort=9090,autoscaling.enabled=true,replicas=7 'autoscaling.maxReplicas is 6; it must be at "
        "least "
        "replicas, 7'; "
        "refuse httpPort=9090,autoscaling.enabled=true,journal.enabled=true 'journal.enabled must not be true'; "
        "refuse tls.plain=false tls.secret; refuse nats.address=a:1,nats.secret=b nats.secret; "
        "refuse image.repository=ghcr.io/fnndsc/oxidicom,image.tag=3.0.0 'is the Rust implementation'");
}

Test(manifests, of_helm_bind_no_port_that_needs_a_right_and_hand_secrets_to_their_stage_alone, .timeout = 1200) {
    need("helm");
    expect_fine(
        "chart='" TEMPLATE "--kube-version 1.33.0'; "
        "$chart --set service.port=104,service.type=NodePort,service.externalTrafficPolicy=Cluster >$at/out; "
        "grep -A1 'name: dicom$' $at/out | grep 'port: 104' >/dev/null; ! grep 'containerPort: 104' $at/out; "
        "grep -q 'externalTrafficPolicy: Cluster' $at/out; "
        "$chart -f deploy/helm/tls.yaml --set stageEnv.writer[0].name=ONLY,stageEnv.writer[0].value=w,"
        "extraVolumes[0].name=more,extraVolumeMounts.notifier[0].name=more,"
        "extraVolumeMounts.notifier[0].mountPath=/more >$at/out; "
        "[ $(grep -c 'name: ONLY' $at/out) -eq 1 ]; [ $(grep -c 'mountPath: /more' $at/out) -eq 1 ]; "
        "! grep secretKeyRef $at/out; grep -q OXIDICOM_AMQP_ADDRESS_FILE $at/out");
}

/* Two installations in one namespace, or one beside the ChRIS chart's own receiver. */
Test(manifests, of_helm_have_names_of_the_release_or_those_that_a_site_gives, .timeout = 1200) {
    need("helm");
    expect_fine("name() { build/tools/helm template \"$@\" --kube-version 1.33.0 | "
                "sed -n '/^kind: StatefulSet/,/^spec/s/^  name: //p'; }; c=deploy/helm/oxidicom; "
                "expect() { echo \"$1, not $2\"; [ \"$1\" = \"$2\" ]; }; "
                "expect \"$(name oxidicom $c)\" oxidicom; expect \"$(name ward $c)\" ward-oxidicom; "
                "expect \"$(name ward $c --set nameOverride=rx)\" ward-rx; "
                "expect \"$(name ward $c -f deploy/helm/chris.yaml)\" chris-oxidicom; "
                "expect \"$(name $(printf 'r%.0s' {1..50}) $c | wc -c)\" 48");
}

Test(manifests, of_helm_hand_on_every_value_of_the_chris_chart, .timeout = 1200) {
    need("helm");
    expect_fine(
        TEMPLATE
        "--kube-version 1.33.0 "
        "-f tests/environments/chris-values.yaml | tr -s ' \\n' ' ' >$at/chris; "
        "while read -r line; do grep -qF -- \"$line\" $at/chris || { echo \"missing: $line\"; exit 1; }; done "
        "<tests/environments/chris-rendered");
}

#define GIVEN                                                                                                      \
    "--set httpPort=9090,httpHosts[0]=page.example,tls.secret=t,tls.aets[0]=a=A,tls.aets[1]=b=B,"                  \
    "storage.maxObjectSize=4GiB,journal.maxSize=2GiB,journal.minFree=32MiB,cube.url=https://cube/api/v1/,"         \
    "cube.tlsSecret=c --set-string storage.fileMode=0640 "

Test(manifests, of_helm_give_a_setting_that_has_a_value_to_its_stage_and_all_others_by_env, .timeout = 1200) {
    need("python");
    need("helm");
    expect_fine("{ echo env:; build/bin/oxidicom --settings | sed -n 's/^| `\\([A-Z_]*\\)`.*/  - {name: \\1, "
                "value: x}/p'; } "
                ">$at/env; [ $(wc -l <$at/env) -gt 70 ]; for form in launcher sidecars; do "
                "chart=\"" TEMPLATE "--kube-version " NEWEST ".0 --set form=$form\"; $chart " GIVEN
                ">$at/given.yaml; " CHECK "kubernetes " NEWEST " $at/given.yaml; "
                "for line in HTTP_HOSTS:page.example TLS_AETS:a=A,b=B MAX_OBJECT_SIZE:4GiB JOURNAL_SIZE:2GiB "
                "JOURNAL_MIN_FREE:32MiB CUBE_CA:/secrets/cube-tls/ca.crt FILE_MODE:0640; do "
                "given=$(tr -d '\"' <$at/given.yaml | grep -cF \"{name: OXIDICOM_${line%%:*}, value: ${line#*:}}\" "
                "|| true); "
                "[ $given -eq 1 ] || { echo \"$line: $given times\"; exit 1; }; done; "
                "$chart -f $at/env >$at/all; stages=$(grep -c '  securityContext:$' $at/all); "
                "sed -n 's/.*{name: \\([A-Z_]*\\), value: x}/\\1/p' $at/env | while read -r name; do "
                "[ $(grep -c \"name: $name$\" $at/all) -ge $((stages - 1)) ] || { echo \"no $name\"; exit 1; }; "
                "done; done");
}

Test(manifests, of_compose_are_valid, .timeout = 1200) {
    need("python");
    expect_fine(CHECK "compose deploy/compose/compose.yaml");
}

/* --- the document ---------------------------------------------------------------------------------------- */

Test(document, names_overlays_that_are_there, .timeout = PATIENCE_S) {
    expect_fine("grep -oE '/overlays/[a-z]+' deploy/CONTAINERS.md | while read -r path; do "
                "[ -e deploy/kubernetes$path/kustomization.yaml ] || { echo \"no $path\"; exit 1; }; "
                "echo $path >>$at/overlays; done; "
                "[ $(sort -u $at/overlays | wc -l) -eq $(ls deploy/kubernetes/overlays | wc -l) ]");
}

Test(document, has_lines_for_a_cluster_that_render_what_they_name, .timeout = 1200) {
    need("helm");
    need("kustomize");
    expect_fine("OXIDICOM_LISTENER_PORT=0 OXIDICOM_STATE_DIR=/ TLS_PORT=0 NATS_PORT=0 "
                "tests/deploy/documents.sh charts $at");
}

/* Anchors are made of headings as the sites that show Markdown do it. */
Test(document, points_to_headings_that_are_there, .timeout = PATIENCE_S) {
    expect_fine(
        "headings() { sed -n 's/^##* //p' \"$1\" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\\n-'; }; "
        "for document in README.md proto/*.md deploy/*.md tests/*.md tests/*/*.md; do "
        "{ grep -oE '\\]\\([^):]*#[^)]+' $document || true; } | cut -c3- | while IFS='#' read -r path anchor; do "
        "target=$document; [ -z \"$path\" ] || target=$(dirname $document)/$path; "
        "echo \"$document: $target#$anchor\" >>$at/links; headings $target >$at/headings; "
        "grep -qx -- \"$anchor\" $at/headings || { echo \"$document: no $target#$anchor\"; exit 1; }; "
        "done; done; [ $(wc -l <$at/links) -ge 5 ]");
}

/* The document tells the difference of every variable that the two environments set. */
Test(document, compares_each_variable_of_todays_environments_with_the_reference, .timeout = PATIENCE_S) {
    const environment_t *environments[] = {&CHART, &MINICHRIS};
    size_t size;
    char *document = file_content("deploy/MIGRATING.md", &size);
    cr_assert_not_null(document);
    for (size_t i = 0; i < 2; i++)
        for (const char *const *at = environments[i]->variables; *at; at += 2)
            cr_expect(strstr(document, *at) || strncmp(*at, "OTEL_", 5) == 0, "%s", *at);
    free(document);
}
