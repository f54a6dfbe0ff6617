/* log.c - one line, one write: lines of several threads do not mix. What came from the network is escaped. */
#include "http/log.h"
#include "http/options.h"
#include "http/problem.h"
#include "http/router.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void write_line(json_t *line)
{
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    char out[2048];
    if (text) {
        int n = snprintf(out, sizeof out, "%s\n", text);
        if (n < (int)sizeof out && write(STDERR_FILENO, out, (size_t)n) < 0)
            nb_options.log_requests = false; /* nobody listens */
    }
    free(text);
    json_decref(line);
}

static void now_text(char buf[32])
{
    struct timespec t;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &parts);
    size_t n = strftime(buf, 24, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(buf + n, 32 - n, ".%03ldZ", t.tv_nsec / 1000000 % 1000);
}

/* A key that somebody put into the path by mistake does not get into the log. */
static void hide_keys(char *s)
{
    for (char *key; (key = strstr(s, "nk_")); s = key + 3)
        for (char *p = key + 3; isalnum((unsigned char)*p); p++)
            *p = '*';
}

void nb_log_request(const struct nb_exchange *x, const char *how)
{
    char time_text[32], target[sizeof x->target];
    now_text(time_text);
    memcpy(target, x->target, sizeof target);
    nb_make_utf8(target);
    hide_keys(target);
    json_t *line = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:I,s:I,s:I,s:s}", "time", time_text, "id", x->rq.id, "method",
                             x->method, "target", target, "operation", x->rq.route ? x->rq.route->operation : "",
                             "status", x->phase == NB_SENDING ? x->rp.status : 0, "in", (json_int_t)x->rq.body_size,
                             "out", (json_int_t)x->rp.size, "us", (json_int_t)(nb_now_us() - x->started), "end", how);
    if (line && x->e.code)
        json_object_set_new(line, "code", json_string(nb_code_name(x->e.code)));
    write_line(line);
}

void nb_log_library(void *unused, const char *fmt, va_list args)
{
    char time_text[32], text[500];
    (void)unused;
    if (!nb_options.log_requests)
        return;
    now_text(time_text);
    vsnprintf(text, sizeof text, fmt, args);
    nb_make_utf8(text);
    text[strcspn(text, "\r\n")] = 0;
    write_line(json_pack("{s:s,s:s}", "time", time_text, "library", text));
}
