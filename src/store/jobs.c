/* jobs.c - rows in the database, the journal in a file of its own. */
#include "store/jobs.h"
#include "nabla/limits.h"
#include "store/jobrows.h"
#include "store/parts.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".journal"

struct journal_name {
    char v[33 + sizeof SUFFIX];
};

static struct journal_name named(const char *id)
{
    struct journal_name name;
    snprintf(name.v, sizeof name.v, "%.32s" SUFFIX, id);
    return name;
}

/* ---- taking on --------------------------------------------------------------------------------------------------- */

/* Our own copy of the graph: the weights may be on disk already, and must stay when the graph goes. */
static int add(struct nb_store *s, const struct nb_job *j, const struct nb_job_request *r, struct nb_error *e)
{
    struct nb_job_request kept = *r;
    bool there = *kept.parameters && nb_database_names(s->database, kept.parameters) == 1;
    if (r->graph && !there && nb_parts_write(s, nb_graph_parameters(r->graph), kept.parameters, e))
        return -1;
    return nb_jobrow_put(s->database, j, &kept, e);
}

int nb_store_job_add(struct nb_store *s, const struct nb_job *j, const struct nb_job_request *r, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = add(s, j, r, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

int nb_store_job_each(struct nb_store *s, int (*row)(void *context, const struct nb_job *j, struct nb_error *e),
                      void *context, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_jobrow_each(s->database, row, context, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

static int read_request(struct nb_store *s, const char *id, struct nb_arena *a, struct nb_job_request *r,
                        struct nb_error *e)
{
    char *description = NULL;
    if (nb_jobrow_request(s->database, id, a, r, &description, e))
        return -1;
    if (description && !(r->graph = nb_parts_graph(s, description, r->parameters, e)))
        return -1;
    return 0;
}

int nb_store_job_request(struct nb_store *s, const char *id, struct nb_arena *a, struct nb_job_request *r,
                         struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = read_request(s, id, a, r, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_store_job_result(struct nb_store *s, const char *id, const char *type, struct nb_arena *a,
                        struct nb_job_result *r, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_jobrow_result(s->database, id, type, a, r, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

const char **nb_store_job_types(struct nb_store *s, const char *id, struct nb_arena *a, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    const char **types = nb_jobrow_types(s->database, id, a, e);
    pthread_mutex_unlock(&s->disk);
    return types;
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

/* The row is true first; then what it no longer names goes. */
static int end(struct nb_store *s, const struct nb_job *j, const struct nb_job_result *results, size_t n,
               struct nb_error *e)
{
    char hash[NB_HASH_SIZE];
    nb_jobrow_parameters(s->database, j->id, hash);
    if (nb_jobrow_end(s->database, j, results, n, e))
        return -1;
    unlinkat(s->files.jobs, named(j->id).v, 0);
    if (*hash)
        nb_parts_drop(s, hash);
    return 0;
}

int nb_store_job_end(struct nb_store *s, const struct nb_job *j, const struct nb_job_result *results, size_t n,
                     struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = end(s, j, results, n, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_store_job_keep(struct nb_store *s, const char *id, const struct nb_job_result *results, size_t n,
                      struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_jobrow_keep(s->database, id, results, n, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_store_job_remove(struct nb_store *s, const char *id, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_jobrow_remove(s->database, id, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

/* ---- journals ---------------------------------------------------------------------------------------------------- */

void nb_store_job_journal(struct nb_store *s, const char *id, const char *signature, struct nb_journal *j)
{
    nb_journal_open(j, s->files.jobs, named(id).v, signature);
}

void nb_store_job_forget(struct nb_store *s, const char *id)
{
    unlinkat(s->files.jobs, named(id).v, 0);
}

static bool wanted(struct nb_store *s, const char *name)
{
    char id[33];
    size_t n = strlen(name), suffix = strlen(SUFFIX);
    if (*name == '.')
        return true;
    if (n <= suffix || n - suffix >= sizeof id || strcmp(name + n - suffix, SUFFIX))
        return false;
    snprintf(id, sizeof id, "%.*s", (int)(n - suffix), name);
    return nb_jobrow_open(s->database, id);
}

int nb_parts_clean_journals(struct nb_store *s, struct nb_error *e)
{
    int fd = openat(s->files.jobs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        nb_fail(e, NB_E_store_failed, "the directory of jobs cannot be read: %m");
        return fd < 0 ? -1 : (close(fd), -1);
    }
    for (struct dirent *entry; (entry = readdir(d));)
        if (!wanted(s, entry->d_name))
            unlinkat(s->files.jobs, entry->d_name, 0);
    closedir(d);
    return 0;
}
