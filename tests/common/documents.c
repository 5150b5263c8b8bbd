/* What the documents name, compared with the code: variables, files, lines of the log. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <glob.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/settings_table.h"
#include "tests/support/process.h"
#include "tests/support/receiver.h"

/* Calls `look` with each document's path and content. */
static void each_document(void (*look)(const char *path, char *content)) {
    glob_t documents;
    cr_assert_eq(glob("{README.md,proto/*.md,deploy/*.md,deploy/*/*.md,tests/*.md,tests/*/*.md}", GLOB_BRACE, NULL,
                      &documents),
                 0);
    cr_assert_geq(documents.gl_pathc, 6, "tests run in the project's folder");
    for (size_t i = 0; i < documents.gl_pathc; i++) {
        size_t size;
        char *content = file_content(documents.gl_pathv[i], &size);
        cr_assert_not_null(content);
        look(documents.gl_pathv[i], content);
        free(content);
    }
    globfree(&documents);
}

/* --- variables ------------------------------------------------------------------------------------------ */

/* Whether it is that one, or names the file that holds the secret. */
static bool is_name_of(const char *name, const char *variable, bool secret) {
    size_t length = variable ? strlen(variable) : 0;
    return length > 0 && strncmp(name, variable, length) == 0 &&
           (!name[length] || (secret && strcmp(name + length, "_FILE") == 0));
}

static bool is_setting(const char *name) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        if (is_name_of(name, SETTINGS[i].name, SETTINGS[i].secret) ||
            is_name_of(name, SETTINGS[i].alias, SETTINGS[i].secret))
            return true;
    return false;
}

static void look_for_variables(const char *path, char *content) {
    for (char *at = content; (at = strstr(at, "OXIDICOM_"));) {
        size_t length = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        char *name = strndup(at, length);
        /* A name with `_` at its end stands for several; tests have their own. */
        if (name[length - 1] != '_' && strncmp(name, "OXIDICOM_TEST", 13) != 0)
            cr_expect(is_setting(name), "%s names %s, which is no setting", path, name);
        free(name);
        at += length;
    }
}

Test(documents, name_no_variable_that_is_no_setting) {
    each_document(look_for_variables);
}

/* Charts, manifests, units and trees, scripts: with their comments. */
Test(documents, and_the_files_of_deploy_name_no_variable_that_is_no_setting) {
    glob_t files;
    size_t size;
    cr_assert_eq(glob("deploy/{*,*/*,*/*/*,*/*/*/*}{.yaml,.tpl,.json,.txt,.service,.conf,.sh,.in,file,run,.site}",
                      GLOB_BRACE, NULL, &files),
                 0);
    cr_expect_gt(files.gl_pathc, 40);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char *content = file_content(files.gl_pathv[i], &size);
        look_for_variables(files.gl_pathv[i], content);
        free(content);
    }
    globfree(&files);
}

/* --- files ---------------------------------------------------------------------------------------------- */

static void look_for_links(const char *path, char *content) {
    for (char *at = content; (at = strstr(at, "]("));) {
        at += 2;
        size_t length = strcspn(at, "#) ");
        if (length == 0 || strncmp(at, "http", 4) == 0)
            continue;
        char *copy = strdup(path);
        char *target = text_of("%s/%.*s", dirname(copy), (int)length, at);
        cr_expect(access(target, F_OK) == 0, "%s links to %s, which is not there", path, target);
        free(target);
        free(copy);
    }
}

Test(documents, link_to_files_that_are_there) {
    each_document(look_for_links);
}

/* What stands between backquotes and begins with one of our folders. Returns how many `look` was called with. */
static int each_path(char *content, void (*look)(const char *document, char *path), const char *document) {
    static const char *const folders[] = {"common/",   "proto/",  "listener/", "writer/",
                                          "notifier/", "deploy/", "tests/"};
    int count = 0;
    for (char *at = content; (at = strchr(at, '`')); at++) {
        size_t length = strcspn(at + 1, "`\n");
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
            if (strncmp(at + 1, folders[i], strlen(folders[i])) != 0)
                continue;
            char *path = strndup(at + 1, length);
            look(document, path);
            free(path);
            count++;
        }
        at += at[1 + length] == '`' ? length + 1 : 0;
        if (!*at)
            break;
    }
    return count;
}

/* `file:function` is of the life of an object; `*` and `{` stand for several. */
static void expect_path(const char *document, char *path) {
    glob_t found;
    path[strcspn(path, ": ")] = 0;
    cr_expect(glob(path, GLOB_BRACE, NULL, &found) == 0, "%s names %s, which is not there", document, path);
    globfree(&found);
}

static void look_for_paths(const char *document, char *content) {
    each_path(content, expect_path, document);
}

Test(documents, name_no_file_that_is_not_there) {
    each_document(look_for_paths);
}

Test(documents, say_what_each_folder_of_sources_is_for) {
    glob_t folders;
    size_t size;
    char *content = file_content("deploy/CONTRIBUTING.md", &size);
    cr_assert_eq(glob("{common,proto,listener,writer,notifier,deploy/tool,deploy/launcher}{,/*}/", GLOB_BRACE, NULL,
                      &folders),
                 0);
    for (size_t i = 0; i < folders.gl_pathc; i++) {
        char *row = text_of("\n| `%s` |", folders.gl_pathv[i]);
        cr_expect(strstr(content, row), "CONTRIBUTING.md says nothing of %s", folders.gl_pathv[i]);
        free(row);
    }
    cr_expect_gt(folders.gl_pathc, 18);
    globfree(&folders);
    free(content);
}

/* --- functions ------------------------------------------------------------------------------------------ */

/* Whether the source has a definition: a line that begins with a type, names the function and its arguments, and
 * goes on with a body. */
static bool defines(const char *source, const char *function) {
    size_t length = strlen(function);
    for (const char *at = source; (at = strstr(at, function)); at += length) {
        if (at[length] != '(' || at == source || !strchr(" *:", at[-1]))
            continue;
        const char *line = at;
        while (line > source && line[-1] != '\n')
            line--;
        const char *end = at + strcspn(at, ";{");
        if (isalpha((unsigned char)*line) && *end == '{')
            return true;
    }
    return false;
}

static void expect_function(const char *document, char *path) {
    char *function = strchr(path, ':');
    size_t size;
    if (!function)
        return;
    *function++ = 0;
    char *source = file_content(path, &size);
    cr_expect(source && defines(source, function), "%s says that %s defines %s", document, path, function);
    free(source);
}

Test(documents, find_each_function_of_an_object_s_life_where_they_say) {
    size_t size;
    char *content = file_content("proto/PROTOCOL.md", &size),
         *life = strstr(content, "\n## The life of one object\n");
    cr_assert_not_null(life);
    char *end = strstr(life + 1, "\n## ");
    cr_assert_not_null(end);
    *end = 0;
    cr_expect_geq(each_path(life, expect_function, "proto/PROTOCOL.md"), 25);
    free(content);
}

/* --- lines of the log ----------------------------------------------------------------------------------- */

/* Takes out what lies between the two halves of a string literal that is broken over lines. */
static void join_literals(char *source) {
    char *to = source;
    for (char *from = source; *from;) {
        size_t blank = *from == '"' ? strspn(from + 1, " \n") : 0;
        if (blank > 0 && from[1 + blank] == '"')
            from += blank + 2;
        else
            *to++ = *from++;
    }
    *to = 0;
}

static char *all_sources(void) {
    glob_t sources;
    char *all = text_of("%s", "");
    cr_assert_eq(glob("{listener,writer,notifier,common,proto,deploy/launcher,deploy/tool}{,/*}/*.c", GLOB_BRACE,
                      NULL, &sources),
                 0);
    for (size_t i = 0; i < sources.gl_pathc; i++) {
        size_t size;
        char *source = file_content(sources.gl_pathv[i], &size), *more;
        cr_assert_not_null(source);
        join_literals(source);
        more = text_of("%s%s", all, source);
        free(all);
        free(source);
        all = more;
    }
    globfree(&sources);
    return all;
}

/* Each part between two `…` of a quoted line. */
static void expect_quoted(const char *sources, const char *quoted) {
    char *copy = strdup(quoted), *part = copy;
    for (char *next; part; part = next) {
        if ((next = strstr(part, "…"))) {
            *next = 0;
            next += strlen("…");
        }
        part += strspn(part, " ");
        for (size_t end = strlen(part); end > 0 && part[end - 1] == ' ';)
            part[--end] = 0;
        cr_expect(strstr(sources, part), "the runbook quotes \"%s\", and nothing logs \"%s\"", quoted, part);
    }
    free(copy);
}

/* The quoted lines of the first column. Returns how many. */
static int expect_symptoms(const char *sources, char *line) {
    int count = 0;
    char *end = strncmp(line, "| ", 2) == 0 ? strstr(line, " | ") : NULL;
    if (!end)
        return 0;
    *end = 0;
    for (char *from = line, *to; (from = strchr(from, '`')) && (to = strchr(++from, '`')); from = to + 1, count++) {
        *to = 0;
        expect_quoted(sources, from);
    }
    return count;
}

Test(documents, quote_only_lines_in_the_runbook_that_are_logged) {
    char *sources = all_sources(), *rest;
    size_t size;
    char *runbook = file_content("deploy/RUNBOOK.md", &size);
    int count = 0;
    cr_assert_not_null(runbook);
    rest = runbook;
    for (char *line; (line = strsep(&rest, "\n"));)
        count += expect_symptoms(sources, line);
    cr_expect_gt(count, 20);
    free(runbook);
    free(sources);
}

/* --- size ----------------------------------------------------------------------------------------------- */

/* It is for the first ten minutes. */
#define README_MAX_BYTES 8192

Test(documents, begin_with_a_readme_that_is_short) {
    size_t size;
    char *readme = file_content("README.md", &size);
    cr_assert_not_null(readme);
    cr_expect_leq(size, README_MAX_BYTES);
    free(readme);
}
