#include "tests/support/cube_site.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/http.h"
#include "tests/support/receiver.h"

static bool is_ready(void *argument) {
    char *path = text_of("%s/ready", ((const cube_site_t *)argument)->folder);
    bool ready = access(path, F_OK) == 0;
    free(path);
    return ready;
}

static void launch(cube_site_t *cube) {
    char *number = text_of("%d", cube->port), *log = text_of("%s/log", cube->folder);
    char *certificate = text_of("%s/server.crt", cube->certificates),
         *key = text_of("%s/server.key", cube->certificates);
    cube->pid = process_start(log, NULL,
                              (const char *const[]){"/usr/bin/python3", "tests/support/cube_site.py", number,
                                                    cube->files_root, cube->tasks, cube->folder,
                                                    cube->certificates ? certificate : NULL, key, NULL});
    if (!await(is_ready, cube, PATIENCE_MS)) {
        size_t size;
        fprintf(stderr, "the small CUBE does not start:\n%s\n", file_content(log, &size));
        abort();
    }
    free(number);
    free(log);
    free(certificate);
    free(key);
}

void cube_site_start(cube_site_t *cube, const char *files_root, const char *tasks) {
    if (!cube->folder) {
        cube->folder = temporary_folder("cube");
        cube->files_root = text_of("%s", files_root);
        cube->tasks = text_of("%s", tasks);
        cube->port = free_port();
        cube->url = text_of("http%s://127.0.0.1:%d/api/v1/", cube->certificates ? "s" : "", cube->port);
    }
    launch(cube);
}

void cube_site_pause(cube_site_t *cube) {
    char *path = text_of("%s/ready", cube->folder);
    process_stop(cube->pid, SIGKILL, PATIENCE_MS);
    unlink(path);
    free(path);
    cube->pid = 0;
}

void cube_site_stop(cube_site_t *cube) {
    if (cube->pid)
        process_stop(cube->pid, SIGKILL, PATIENCE_MS);
    if (cube->folder)
        remove_folder(cube->folder);
    free(cube->folder);
    free(cube->url);
    free(cube->files_root);
    free(cube->tasks);
    *cube = (cube_site_t){0};
}

static json_t *control(cube_site_t *cube, const char *what) {
    char *path = text_of("/control?%s", what);
    int status;
    char *body = http_get(cube->port, path, NULL, &status);
    json_t *answer = json_loads(body, 0, NULL);
    cr_assert_eq(status, 200);
    free(body);
    free(path);
    return answer;
}

void cube_site_tell(cube_site_t *cube, const char *what) {
    json_decref(control(cube, what));
}

int cube_site_count(cube_site_t *cube, const char *counter) {
    json_t *answer = control(cube, "");
    int count = (int)json_integer_value(json_object_get(answer, counter));
    json_decref(answer);
    return count;
}

typedef struct wanted {
    cube_site_t *cube;
    const char *counter;
    int at_least;
} wanted_t;

static bool has_counted(void *argument) {
    const wanted_t *wanted = argument;
    return cube_site_count(wanted->cube, wanted->counter) >= wanted->at_least;
}

bool cube_site_await(cube_site_t *cube, const char *counter, int at_least) {
    return await(has_counted, &(wanted_t){cube, counter, at_least}, PATIENCE_MS);
}

int cube_site_task_ids(cube_site_t *cube) {
    size_t size;
    char *path = text_of("%s/tasks", cube->folder), *lines = file_content(path, &size), *rest = lines;
    json_t *ids = json_object();
    for (char *line; rest && (line = strsep(&rest, "\n")) && rest;) {
        json_t *task = json_loads(line, 0, NULL);
        json_object_set_new(ids, json_string_value(json_object_get(task, "id")), json_true());
        json_decref(task);
    }
    int count = (int)json_object_size(ids);
    json_decref(ids);
    free(lines);
    free(path);
    return count;
}
