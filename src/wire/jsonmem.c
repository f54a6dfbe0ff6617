/* jsonmem.c - the counting allocator behind Jansson. */
#include "wire/jsonmem.h"
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct nb_json_budget *current; /* of the parse that runs in this thread */

/* What a block costs: as much when it goes as when it came, so it needs no header, and a block that was not counted may
 * be freed like any other. */
static size_t cost(void *p)
{
    return malloc_usable_size(p) + sizeof(size_t);
}

static void *refuse(void *p)
{
    current->over = true;
    free(p);
    return NULL;
}

static void *take(size_t size)
{
    struct nb_json_budget *b = current;
    if (b && size > b->cap - b->used)
        return refuse(NULL);
    void *p = malloc(size);
    if (!p || !b)
        return p;
    if (cost(p) > b->cap - b->used)
        return refuse(p);
    b->used += cost(p);
    if (b->used > b->peak)
        b->peak = b->used;
    return p;
}

static void give_back(void *p)
{
    if (p && current)
        current->used -= cost(p);
    free(p);
}

/* Before main, because the hooks are for the whole process and no thread may see them change. */
__attribute__((constructor)) static void install(void)
{
    json_set_alloc_funcs(take, give_back);
}

/* Jansson itself passes over some NUL bytes. */
static json_t *nul_byte(size_t at, json_error_t *je)
{
    memset(je, 0, sizeof *je);
    je->position = at < INT_MAX ? (int)at + 1 : INT_MAX;
    strcpy(je->text, "a NUL byte");
    je->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_invalid_syntax; /* where json_error_code() looks */
    return NULL;
}

json_t *nb_json_load(const char *text, size_t n, struct nb_json_budget *budget, json_error_t *je)
{
    const char *nul = n ? memchr(text, 0, n) : NULL;
    if (nul)
        return nul_byte((size_t)(nul - text), je);
    current = budget;
    json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, je);
    current = NULL;
    return j;
}
