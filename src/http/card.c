/* card.c - the service card: what this is, what it runs on, what it limits, where to go. */
#include "http/handlers.h"
#include "http/openapi.h"
#include "http/options.h"
#include "http/server.h"
#include "nabla/blas.h"
#include "nabla/limits.h"

static void put_blas(struct nb_writer *w)
{
    nb_w_key(w, "blas");
    nb_w_open(w, '{');
    nb_w_string_at(w, "core", nb_blas_core());
    nb_w_string_at(w, "config", nb_blas_config());
    nb_w_string_at(w, "flavour", nb_blas_flavour());
    nb_w_close(w, '}');
    nb_w_string_at(w, "isa", nb_isa());
}

static void put_limits(struct nb_writer *w)
{
    nb_w_key(w, "limits");
    nb_w_open(w, '{');
#define LIMIT(name, def, min, max, help) nb_w_whole_at(w, #name, nb_limits.name);
#include "nabla/limits.def"
#undef LIMIT
    nb_w_close(w, '}');
}

static void put_links(struct nb_writer *w)
{
    static const char *const links[][2] = {{"self", "/v1"},
                                           {"modules", "/v1/modules"},
                                           {"graphs", "/v1/graphs"},
                                           {"datasets", "/v1/datasets"},
                                           {"forward", "/v1/forward"},
                                           {"backward", "/v1/backward"},
                                           {"loss", "/v1/loss"},
                                           {"check", "/v1/check"},
                                           {"diagnose", "/v1/diagnose"},
                                           {"probes", "/v1/probes"},
                                           {"jobs", "/v1/jobs"},
                                           {"zoo", "/v1/zoo"},
                                           {"assignments", "/v1/assignments"},
                                           {"keys", "/v1/keys"},
                                           {"live", "/livez"},
                                           {"ready", "/readyz"},
                                           {"openapi", "/openapi.yaml"}};
    nb_w_key(w, "links");
    nb_w_open(w, '{');
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        nb_w_string_at(w, links[i][0], links[i][1]);
    nb_w_close(w, '}');
}

int nb_op_getCard(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "name", "nablad");
    nb_w_string_at(&w, "version", PACKAGE_VERSION);
    put_blas(&w);
    nb_w_whole_at(&w, "workers", nb_server_workers());
    nb_w_whole_at(&w, "pollers", nb_server_pollers());
    put_limits(&w);
    put_links(&w);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

int nb_op_getOpenapi(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    (void)rq, (void)e;
    nb_reply_text(rp, "application/yaml", (const char *)nb_openapi, nb_openapi_size);
    return 0;
}
