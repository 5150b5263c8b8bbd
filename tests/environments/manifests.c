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

#define CHECK "build/bin/oxidicom --settings | build/tools/python tests/environments/manifests.py "

Test(manifests, of_kustomize_are_valid_in_base_and_every_overlay, .timeout = 1200) {
    need("python");
    need("kustomize");
    expect_fine("for folder in deploy/kubernetes/base deploy/kubernetes/overlays/*; do "
                "build/tools/kustomize $folder >$at/${folder##*/}.yaml; done; " CHECK "kubernetes $at/*.yaml");
}

#define EVERYTHING "httpPort=9090,serviceMonitor.enabled=true,autoscaling.enabled=true,storage.create=true"

Test(manifests, of_helm_are_valid_with_its_own_values_and_with_those_of_the_chris_chart, .timeout = 1200) {
    need("python");
    need("helm");
    expect_fine("chart='build/tools/helm template chris deploy/helm/oxidicom --kube-version 1.33.0'; "
                "build/tools/helm lint --quiet deploy/helm/oxidicom; $chart >$at/default.yaml; "
                "$chart -f tests/environments/chris-values.yaml >$at/chris.yaml; "
                "$chart --set " EVERYTHING " >$at/all.yaml; $chart --set form=sidecars >$at/sidecars.yaml; "
                "$chart -f tests/environments/chris-values.yaml --set form=sidecars," EVERYTHING
                " >$at/all-sidecars.yaml; " CHECK "kubernetes $at/*.yaml");
}

Test(manifests, of_helm_have_a_container_for_each_stage_and_writer_where_the_form_is_sidecars, .timeout = 1200) {
    need("helm");
    expect_fine(
        "stages() { build/tools/helm template chris deploy/helm/oxidicom --kube-version 1.33.0 \"$@\" | "
        "sed -n 's/^        - name: \\([a-z]*-*[0-9]*\\)$/\\1/p' | grep -v '^files$\\|^run$' | paste -sd ' '; }; "
        "expect() { echo \"$1, not $2\"; [ \"$1\" = \"$2\" ]; }; "
        "expect \"$(stages)\" oxidicom; "
        "expect \"$(stages --set form=sidecars)\" 'listener writer-0 notifier'; "
        "expect \"$(stages --set form=sidecars,config.writers=3,config.tokioThreads=2)\" "
        "'listener writer-0 writer-1 writer-2 notifier'; "
        "expect \"$(stages --set form=sidecars,config.tokioThreads=2)\" 'listener writer-0 writer-1 notifier'");
}

Test(manifests, of_helm_are_none_where_values_contradict_each_other, .timeout = 1200) {
    need("helm");
    expect_fine("refuse() { if build/tools/helm template chris deploy/helm/oxidicom --kube-version 1.33.0 --set $1 "
                ">$at/out 2>&1; then echo \"$1 is taken\"; exit 1; fi; grep -F \"$2\" $at/out; }; "
                "refuse form=threads 'form is launcher or sidecars'; refuse serviceMonitor.enabled=true httpPort; "
                "refuse autoscaling.enabled=true httpPort; refuse aet= 'aet is required'; "
                "refuse config.threads=3 'config.threads is unknown'");
}

Test(manifests, of_helm_hand_on_every_value_of_the_chris_chart, .timeout = 1200) {
    need("helm");
    expect_fine(
        "build/tools/helm template chris deploy/helm/oxidicom --kube-version 1.33.0 "
        "-f tests/environments/chris-values.yaml | tr -s ' \\n' ' ' >$at/chris; "
        "while read -r line; do grep -qF -- \"$line\" $at/chris || { echo \"missing: $line\"; exit 1; }; done "
        "<tests/environments/chris-rendered");
}

Test(manifests, of_compose_are_valid, .timeout = 1200) {
    need("python");
    expect_fine(CHECK "compose deploy/compose/compose.yaml");
}

/* --- the document ---------------------------------------------------------------------------------------- */

Test(document, names_files_that_are_there_and_settings_that_exist, .timeout = PATIENCE_S) {
    expect_fine("cd deploy; grep -oE '\\]\\([^)#:]+' README.md | cut -c3- | while read -r path; do "
                "[ -e \"$path\" ] || { echo \"no $path\"; exit 1; }; done; "
                "for folder in base overlays/sidecars overlays/replicas overlays/monitoring; do "
                "[ -d kubernetes/$folder ] || exit 1; done; cd ..; build/bin/oxidicom --settings >$at/settings; "
                "grep -oE '(OXIDICOM|TOKIO)_[A-Z_]+[A-Z]' deploy/README.md | sort -u | while read -r name; do "
                "grep -q \"$name\" $at/settings || { echo \"no setting $name\"; exit 1; }; done");
}

/* Anchors are made of headings as the sites that show Markdown do it. */
Test(document, points_to_headings_that_are_there, .timeout = PATIENCE_S) {
    expect_fine(
        "headings() { sed -n 's/^##* //p' \"$1\" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\\n-'; }; "
        "for document in README.md proto/*.md deploy/*.md; do "
        "{ grep -oE '\\]\\([^):]*#[^)]+' $document || true; } | cut -c3- | while IFS='#' read -r path anchor; do "
        "target=$document; [ -z \"$path\" ] || target=$(dirname $document)/$path; "
        "echo \"$document: $target#$anchor\" >>$at/links; headings $target >$at/headings; "
        "grep -qx -- \"$anchor\" $at/headings || { echo \"$document: no $target#$anchor\"; exit 1; }; "
        "done; done; [ $(wc -l <$at/links) -ge 5 ]");
}

/* Of every variable that the two environments set, the document says what is different. */
Test(document, compares_each_variable_of_todays_environments_with_the_reference, .timeout = PATIENCE_S) {
    const environment_t *environments[] = {&CHART, &MINICHRIS};
    size_t size;
    char *document = file_content("deploy/README.md", &size);
    cr_assert_not_null(document);
    char *table = strstr(document, "## From the reference implementation");
    cr_assert_not_null(table);
    for (size_t i = 0; i < 2; i++)
        for (const char *const *at = environments[i]->variables; *at; at += 2)
            cr_expect(strstr(table, *at) || strncmp(*at, "OTEL_", 5) == 0, "%s", *at);
    free(document);
}
