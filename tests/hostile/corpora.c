/* Every fuzz target over its corpus, without libFuzzer. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/receiver.h"

#define RUN_MS 300000

/* "…/listener_command.c" as "listener_command"; free it. */
static char *target_of(const char *source) {
    const char *name = strrchr(source, '/') + 1;
    return text_of("%.*s", (int)(strlen(name) - 2), name);
}

/* Returns whether the target held; prints its last output if not. */
static bool run_target(const char *folder, const char *target) {
    char *program = text_of("%s/../fuzz/%s", binaries(), target), *corpus = text_of("tests/fuzz/corpus/%s", target);
    char *log = text_of("%s/%s", folder, target);
    int status = process_run(log, NULL, (const char *const[]){program, corpus, NULL}, RUN_MS);
    size_t size = 0;
    char *said = status == 0 ? NULL : file_content(log, &size);
    if (status != 0)
        fprintf(stderr, "%s ended with %d:\n%s\n", target, status, said && size > 3000 ? said + size - 3000 : said);
    free(said);
    free(program);
    free(corpus);
    free(log);
    return status == 0;
}

Test(corpora, every_fuzz_target_holds_for_every_input_of_its_corpus, .timeout = 900) {
    glob_t sources;
    cr_assert_eq(glob("tests/fuzz/*_*.c", 0, NULL, &sources), 0);
    char *folder = temporary_folder("corpora");
    size_t held = 0;
    for (size_t i = 0; i < sources.gl_pathc; i++) {
        char *target = target_of(sources.gl_pathv[i]);
        held += run_target(folder, target);
        free(target);
    }
    remove_folder(folder);
    free(folder);
    cr_assert_eq(held, sources.gl_pathc);
    cr_assert_geq(held, 10);
    globfree(&sources);
}
