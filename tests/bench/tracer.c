/* Linked into stages that are built with -finstrument-functions: counts the calls from one function to another, in
 * a table in the file $OXIDICOM_TEST_TRACE.<process>, readable for others that map it while the stage runs. */
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNTRACED  __attribute__((no_instrument_function))
#define CALLS_MAX (1 << 16)
#define DEPTH_MAX 256

/* Addresses as in the executable's file. */
typedef struct call {
    _Atomic uint64_t caller, callee, times;
} call_t;

static call_t *calls;
static uint64_t base;
static __thread uint64_t stack[DEPTH_MAX];
static __thread unsigned depth;

void __cyg_profile_func_enter(void *function, void *from) UNTRACED;
void __cyg_profile_func_exit(void *function, void *from) UNTRACED;

static int UNTRACED note_base(struct dl_phdr_info *info, size_t size, void *argument) {
    (void)size;
    (void)argument;
    base = info->dlpi_addr;
    return 1; /* the executable comes first */
}

static void UNTRACED __attribute__((constructor)) begin(void) {
    char path[4096];
    const char *prefix = getenv("OXIDICOM_TEST_TRACE");
    if (!prefix)
        return;
    snprintf(path, sizeof path, "%s.%d", prefix, (int)getpid());
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    dl_iterate_phdr(note_base, NULL);
    if (file < 0 || ftruncate(file, CALLS_MAX * sizeof *calls) != 0)
        return;
    void *mapped = mmap(NULL, CALLS_MAX * sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    calls = mapped == MAP_FAILED ? NULL : mapped;
    close(file);
}

/* The place of the pair, taken by whichever thread comes first. */
static void UNTRACED count(uint64_t caller, uint64_t callee) {
    uint64_t at = (caller * 31 + callee) * 0x9E3779B97F4A7C15u >> 48;
    for (;; at = (at + 1) % CALLS_MAX) {
        uint64_t nobody = 0;
        if (atomic_load(&calls[at].callee) == 0 &&
            atomic_compare_exchange_strong(&calls[at].callee, &nobody, callee))
            atomic_store(&calls[at].caller, caller);
        if (atomic_load(&calls[at].callee) == callee && atomic_load(&calls[at].caller) == caller)
            break;
    }
    atomic_fetch_add(&calls[at].times, 1);
}

void __cyg_profile_func_enter(void *function, void *from) {
    (void)from;
    uint64_t callee = (uint64_t)(uintptr_t)function - base;
    if (calls && depth < DEPTH_MAX)
        count(depth > 0 ? stack[depth - 1] : 0, callee);
    if (depth < DEPTH_MAX)
        stack[depth] = callee;
    depth++;
}

void __cyg_profile_func_exit(void *function, void *from) {
    (void)function;
    (void)from;
    depth--;
}
