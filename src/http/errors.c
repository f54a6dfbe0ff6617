/* errors.c - the pages that the type of a problem points to. */
#include "http/handlers.h"
#include <string.h>

static json_t *error_json(enum nb_code code)
{
    return json_pack("{s:s,s:i,s:s}", "code", nb_code_name(code), "status", nb_code_status(code), "title",
                     nb_code_title(code));
}

json_t *nb_errors_json(void)
{
    json_t *list = json_array();
    for (enum nb_code c = NB_E_none + 1; c < NB_E_count; c++)
        json_array_append_new(list, error_json(c));
    return json_pack("{s:o}", "errors", list);
}

int nb_op_getError(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    enum nb_code c = NB_E_none + 1;
    while (c < NB_E_count && strcmp(nb_code_name(c), rq->path[0]))
        c++;
    if (c == NB_E_count)
        return nb_fail(e, NB_E_unknown_path, "there is no error called %.60s", rq->path[0]);
    json_t *page = error_json(c);
    struct nb_writer w = nb_writer(rq->arena, e);
    if (!page)
        return nb_fail_memory(e);
    nb_w_json(&w, page);
    json_decref(page);
    return nb_reply_written(rp, &w);
}
