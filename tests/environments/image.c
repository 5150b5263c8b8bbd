/* The image's root file system, built and started without a container engine. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/environments/container.h"

#define ROOTFS   "build/rootfs"
#define BUILD_MS (20 * 60 * 1000)

static bool lacks_what_it_needs(const char *log) {
    static const char *const reasons[] = {"rootfs.sh: needs", "Could not resolve", "Temporary failure resolving",
                                          "Could not connect", "Failed to fetch"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strstr(log, reasons[i]))
            return true;
    return false;
}

/* Up to date, or made now; skips the test where it can't be made. */
static void make_rootfs(void) {
#ifdef SANITIZED
    cr_skip_test("the image holds what was built without sanitizers");
#endif
    char *folder = temporary_folder("image"), *path = text_of("%s/log", folder);
    int status = process_run(path, (const char *const[]){"MAKEFLAGS", UNSET, "MAKELEVEL", UNSET, NULL},
                             (const char *const[]){"flock", "build", "make", "rootfs", NULL}, BUILD_MS);
    size_t size;
    char *log = file_content(path, &size);
    if (status != 0 && lacks_what_it_needs(log))
        cr_skip_test("root, mmdebstrap or Debian's packages are not to be had: no root file system");
    cr_assert_eq(status, 0, "%s", log);
    remove_folder(folder);
    free(folder);
    free(path);
    free(log);
}

/* What a shell's command says, without the last line's end. */
static char *said_by(const char *command) {
    FILE *pipe = popen(command, "r");
    char *text = calloc(1, 65536);
    cr_assert(pipe && text);
    text[fread(text, 1, 65535, pipe)] = 0;
    cr_assert_eq(pclose(pipe), 0, "%s: %s", command, text);
    return text;
}

Test(image, passes_the_demo_read_only_as_a_user_without_any_capability, .timeout = 1500) {
    make_rootfs();
    container_t container;
    container_prepare(&container);
    int status = process_run(container.receiver.log, (const char *const[]){"ROOTFS", ROOTFS, NULL},
                             (const char *const[]){"deploy/demo/demo.sh", NULL}, 5 * PATIENCE_MS);
    size_t size;
    char *log = file_content(container.receiver.log, &size);
    cr_assert_eq(status, 0, "%s", log);
    cr_assert(strstr(log, "200 objects"), "%s", log);
    free(log);
    container_clear(&container);
}

Test(image, has_no_compiler_no_setuid_program_and_three_folders_for_its_user, .timeout = 1500) {
    make_rootfs();
    char *compilers = said_by("find " ROOTFS "/usr/bin -name '*gcc*' -o -name 'g++*' -o -name make -o -name ld"),
         *setuid = said_by("find " ROOTFS " -xdev -type f -perm /6000"),
         *writable = said_by("cd " ROOTFS " && find . -xdev -type d \\( -user 1001 -o -group 0 -perm -0020 \\) "
                             "! -perm -1000 | sort | tr '\\n' ' '");
    cr_expect_str_eq(compilers, "");
    cr_expect_str_eq(setuid, "");
    cr_expect_str_eq(writable, "./data ./run/oxidicom ./state ", "%s", writable);
    /* Else the journal would lie in a layer that vanishes with the container. */
    cr_expect_neq(access(ROOTFS "/var/lib/oxidicom", F_OK), 0);
    free(compilers);
    free(setuid);
    free(writable);
}

/* Else two builds would differ; `make rootfs-check` compares two whole ones. */
Test(image, has_nothing_that_is_younger_than_its_source_and_no_device, .timeout = 1500) {
    make_rootfs();
    char *younger = said_by("find " ROOTFS " -xdev -newermt @${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"),
         *devices = said_by("find " ROOTFS "/dev -mindepth 1");
    cr_expect_str_eq(younger, "");
    cr_expect_str_eq(devices, "");
    free(younger);
    free(devices);
}

Test(image, has_every_library_and_table_that_the_executables_read, .timeout = 1500) {
    make_rootfs();
    container_t container;
    container_prepare(&container);
    const char *const argv[] = {
        "deploy/image/run.sh",
        ROOTFS,
        "sh",
        "-c",
        "ldd /usr/bin/oxidicom* | grep 'not found' && exit 1; test -s /usr/share/*dcmtk*/dicom.dic && "
        "test -s /etc/ssl/certs/ca-certificates.crt && echo caf | iconv -f ISO-2022-JP -t UTF-8",
        NULL};
    int status = process_run(container.receiver.log, NULL, argv, PATIENCE_MS);
    size_t size;
    char *log = file_content(container.receiver.log, &size);
    cr_assert_eq(status, 0, "%s", log);
    free(log);
    container_clear(&container);
}
