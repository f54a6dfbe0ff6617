/* scratch.h - for tests: a directory for a store, and what is in it. */
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H
#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch[200]; /* the directory of the store */

static void scratch_make(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/nablad-test-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
}

/* The path of a file in it; `in` is "" or "weights/". */
static inline const char *scratch_path(const char *in, const char *name)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/%s%s", scratch, in, name);
    return path;
}

/* Calls visit with each file's name; returns how many there are. */
static size_t scratch_each(const char *in, void (*visit)(const char *name))
{
    size_t n = 0;
    DIR *d = opendir(scratch_path(in, ""));
    if (!d)
        return 0;
    for (struct dirent *entry; (entry = readdir(d));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
            n++;
            if (visit)
                visit(entry->d_name);
        }
    closedir(d);
    return n;
}

static void scratch_unlink_weights(const char *name)
{
    unlink(scratch_path("weights/", name));
}

static void scratch_unlink_jobs(const char *name)
{
    unlink(scratch_path("jobs/", name));
}

static void scratch_unlink(const char *name)
{
    unlink(scratch_path("", name));
}

static void scratch_remove(void)
{
    scratch_each("weights/", scratch_unlink_weights);
    rmdir(scratch_path("", "weights"));
    scratch_each("jobs/", scratch_unlink_jobs);
    rmdir(scratch_path("", "jobs"));
    scratch_each("", scratch_unlink);
    rmdir(scratch);
}

#endif
