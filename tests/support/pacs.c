#include "tests/support/pacs.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/support/dataset.h"
#include "tests/support/process.h"
#include "tests/support/scu.h"

static bool send_series(const pacs_t *pacs, int number) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    char series[80], instance[96];
    snprintf(series, sizeof series, "%s.%d", pacs->root_uid, number);
    bool good = scu_associate_mr(&scu, pacs->port, pacs->calling_ae, EXPLICIT_LE);
    for (int i = 1; good && i <= pacs->objects; i++) {
        snprintf(instance, sizeof instance, "%s.%d", series, i);
        bytes_t set = dataset_instance(EXPLICIT_LE, series, instance, i, pacs->object_bytes);
        good = scu_store(&scu, 1, MR_STORAGE, instance, &set) == 0;
        bytes_free(&set);
    }
    good = good && scu_release(&scu);
    scu_close(&scu);
    return good;
}

static void *send_until_told(void *argument) {
    pacs_t *pacs = argument;
    while (!pacs->ended && !pacs->failed && pacs->series < pacs->series_max)
        if (send_series(pacs, pacs->series + 1))
            pacs->series++;
        else
            pacs->failed = true;
    return NULL;
}

static void expect_taken(const pacs_t *pacs) {
    cr_assert_not(pacs->failed, "series %d was not taken", pacs->series + 1);
}

void pacs_begin(pacs_t *pacs) {
    pacs->ended = false;
    cr_assert_eq(pthread_create(&pacs->thread, NULL, send_until_told, pacs), 0);
}

void pacs_end(pacs_t *pacs) {
    pacs->ended = true;
    pthread_join(pacs->thread, NULL);
    expect_taken(pacs);
}

typedef struct goal {
    const pacs_t *pacs;
    int series;
} goal_t;

static bool is_reached(void *argument) {
    const goal_t *goal = argument;
    return goal->pacs->failed || goal->pacs->series >= goal->series || goal->pacs->series == goal->pacs->series_max;
}

void pacs_await(pacs_t *pacs, int more, int64_t ms) {
    cr_assert(await(is_reached, &(goal_t){pacs, pacs->series + more}, ms), "nothing is sent any more");
    expect_taken(pacs);
}

static bool has_failed(void *pacs) {
    return ((pacs_t *)pacs)->failed;
}

double pacs_rate(pacs_t *pacs, int64_t ms) {
    int before = pacs->series;
    int64_t began_ms = clock_ms();
    await(has_failed, pacs, ms);
    expect_taken(pacs);
    return (pacs->series - before) * pacs->objects * 1000.0 / (double)(clock_ms() - began_ms);
}

int pacs_number_of(const pacs_t *pacs, const char *series_uid) {
    size_t root = strlen(pacs->root_uid);
    int number = strncmp(series_uid, pacs->root_uid, root) == 0 ? atoi(series_uid + root + 1) : 0;
    cr_assert(number >= 1 && number <= pacs->series + 1, "%s was not sent", series_uid);
    return number;
}
