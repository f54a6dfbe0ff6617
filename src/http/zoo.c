/* zoo.c - the graphs of classical networks that come with the program: which there are, and one into the store. */
#include "http/zoo.h"
#include "http/handlers.h"
#include <string.h>

static json_t *parsed(const char *name, const char *text, struct nb_error *e)
{
    json_t *json = json_loads(text, 0, NULL);
    if (!json)
        nb_fail(e, NB_E_internal, "the zoo's %s cannot be read", name);
    return json;
}

/* What stands in about.json, and the inputs of the graph. */
static int put_system(struct nb_writer *w, const struct nb_zoo_system *s, struct nb_error *e)
{
    json_t *about = parsed(s->name, s->about, e);
    json_t *graph = about ? parsed(s->name, s->graph, e) : NULL;
    const char *key;
    json_t *value;
    if (graph) {
        nb_w_open(w, '{');
        nb_w_string_at(w, "name", s->name);
        json_object_foreach (about, key, value) {
            nb_w_key(w, key);
            nb_w_json(w, value);
        }
        nb_w_key(w, "inputs");
        nb_w_json(w, json_object_get(graph, "inputs"));
        nb_w_close(w, '}');
    }
    json_decref(about);
    json_decref(graph);
    return graph ? 0 : -1;
}

int nb_op_listZoo(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_key(&w, "systems");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < nb_zoo_count; i++)
        if (put_system(&w, &nb_zoo[i], e))
            return -1;
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

static const struct nb_zoo_system *find(const char *name, struct nb_error *e)
{
    for (size_t i = 0; i < nb_zoo_count; i++)
        if (!strcmp(nb_zoo[i].name, name))
            return &nb_zoo[i];
    nb_fail(e, NB_E_unknown_path, "there is no %.60s in the zoo; GET /v1/zoo lists what there is", name);
    return NULL;
}

/* The body that POST /v1/graphs takes. */
static const char *body(struct nb_request *rq, const struct nb_zoo_system *s, struct nb_error *e)
{
    const char *name = nb_query(rq, "name"), *seed = nb_query(rq, "seed");
    struct nb_writer w = nb_writer(rq->arena, e);
    struct nb_reply text = {0};
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "name", name ? name : s->name);
    if (seed)
        nb_w_string_at(&w, "seed", seed);
    nb_w_key(&w, "graph");
    nb_w_raw(&w, s->graph);
    nb_w_close(&w, '}');
    return nb_reply_written(&text, &w) ? NULL : nb_strndup(rq->arena, text.body, text.size, e);
}

int nb_op_createFromZoo(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const known[] = {"name", "seed", NULL};
    const struct nb_zoo_system *s = find(rq->path[0], e);
    const char *text = s && !nb_query_only(rq, known, e) ? body(rq, s, e) : NULL;
    struct nb_asked *ask = text ? nb_decode_text(rq, NB_CREATE, text, e) : NULL;
    return ask ? nb_create_graph(rq, rp, ask, e) : -1;
}
