/* plan - what is asked in a round: blocks of probes, as many as the limits allow. */
#include "probes/probing.h"
#include "nabla/limits.h"
#include <math.h>
#include <stdlib.h>

enum { SECOND_LOOKS = 8, COMPLEX_SPOTS = 2 };

/* ---- how much can be asked --------------------------------------------------------------------------------------- */

struct amount {
    double probes, edits;
};

static void more(struct amount *a, double probes, double edits)
{
    a->probes += probes;
    a->edits += edits;
}

static double jiggles(const struct nb_probes *p)
{
    return NB_JIGGLES + (p->f.single ? 0 : 2 * NB_SCALES);
}

static void amount_of_entries(const struct nb_probes *p, const struct nb_operand *o, bool every, int directions,
                              struct amount *a)
{
    double n = (double)o->n, some = every ? n : fmin(n, NB_SPOTS);
    const struct nb_grid *g = every ? &o->claimed : &o->dense;
    double colours = every ? (double)g->colours : some;
    if (o->layout == NB_AFFINE)
        more(a, NB_BENDS + some, NB_BENDS * n + some);
    else if (p->f.by_complex)
        more(a, colours + 6 * COMPLEX_SPOTS, some + 6 * COMPLEX_SPOTS * some / fmax(colours, 1));
    else
        more(a, 6 * colours, 6 * some);
    if (every)
        more(a, 2 * nb_leak_bits(g), nb_leak_bits(g) * n);
    else
        more(a, 6 * directions, 6 * directions * n);
}

static struct amount amount_of(const struct nb_probes *p, int points, int every, int directions)
{
    struct amount a = {0};
    double all = 0;
    for (int b = 0; b < points; b++) {
        more(&a, 2 + jiggles(p), 0);
        for (int t = 0; t < p->operands; t++) {
            double n = (double)p->operand[t].n, moved = b < every ? n : fmin(n, NB_SPOTS);
            more(&a, NB_COMPANIONS, (jiggles(p) + NB_COMPANIONS) * moved);
            amount_of_entries(p, &p->operand[t], b < every, directions, &a);
        }
    }
    for (size_t i = 0; i < p->f.nin; i++)
        all += (double)nb_count(&p->f.in[i].shape);
    a.edits = p->f.whole ? a.probes * all : a.edits;
    return a;
}

static bool bearable(const struct nb_probes *p, const struct amount *a)
{
    double each = (double)p->m * (p->f.by_complex ? 2 : 1);
    return a->probes <= (double)p->f.most_probes && a->edits <= (double)p->f.most_edits &&
           a->probes * each <= (double)p->f.most_answers;
}

/* About what the points and what is known of their entries take in memory, and the verdicts in the end. */
static double memory_of(const struct nb_probes *p, int points, int every)
{
    double bytes = 0, each = sizeof(struct nb_climb);
    for (size_t i = 0; i < p->f.nin; i++)
        bytes += (double)points * 8 * (double)nb_count(&p->f.in[i].shape);
    for (int t = 0; t < p->operands; t++) {
        double n = (double)p->operand[t].n;
        bytes += n * (8 * points + 8 * 4 + 3) + each * (every * n + (points - every) * fmin(n, NB_SPOTS));
        bytes += 8 * (double)points * (double)p->m;
    }
    return bytes + 32 * (double)points * (double)p->m;
}

static bool fits(struct nb_probes *p, int points, int every)
{
    if (memory_of(p, points, every) > 0.8 * (double)p->arena->cap)
        return false;
    for (p->directions = NB_DIRECTIONS; p->directions; p->directions /= 2) {
        struct amount a = amount_of(p, points, every, p->directions);
        if (bearable(p, &a))
            return true;
    }
    return false;
}

static int too_much(const struct nb_probes *p, int points, struct nb_error *e)
{
    struct amount least = amount_of(p, points, 0, 1);
    if (bearable(p, &least))
        return nb_fail_limit(e, p->arena->limit, (int64_t)p->arena->cap, (int64_t)(memory_of(p, points, 0) / 0.8));
    nb_fail(e, NB_E_limit,
            "even a few directions and entries need %.0f probes that replace %.0f entries and return %.0f numbers; the "
            "limits are %lld, %lld and %lld",
            least.probes, least.edits, least.probes * (double)p->m, (long long)p->f.most_probes,
            (long long)p->f.most_edits, (long long)p->f.most_answers);
    return nb_at(e, "function");
}

/* Every entry at all points, or at some and a few entries at the others, or a few at all; only then fewer points. */
int nb_plan_size(struct nb_probes *p, struct nb_error *e)
{
    int least = p->f.fewer ? 1 : p->f.points;
    for (int points = p->f.points; points >= least; points--)
        for (int every = points; every >= 0; every--)
            if (fits(p, points, every)) {
                p->f.points = points;
                return every;
            }
    return too_much(p, least, e);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static int add(struct nb_probes *p, struct nb_block b, struct nb_error *e)
{
    if (nb_grow(p->arena, &p->block, p->blocks, &p->block_room, sizeof *p->block, e))
        return -1;
    b.probe = p->probes;
    p->block[p->blocks++] = b;
    p->probes += b.probes;
    return 0;
}

static int add_base(struct nb_probes *p, int base, struct nb_error *e)
{
    return add(p, (struct nb_block){.question = NB_ASK_BASE, .base = base, .probes = 1}, e);
}

static int add_of(struct nb_probes *p, enum nb_question q, int base, int operand, size_t probes, struct nb_error *e)
{
    return probes ? add(p, (struct nb_block){.question = q, .base = base, .operand = operand, .probes = probes}, e) : 0;
}

/* One more block and the closing base, within the limits. */
static bool room(const struct nb_probes *p, size_t probes)
{
    double after = (double)(p->probes + probes + 2), each = (double)p->m * (p->f.by_complex ? 2 : 1);
    return after <= (double)p->f.most_probes && after * each <= (double)p->f.most_answers;
}

static int add_rungs(struct nb_probes *p, enum nb_question q, int base, int operand, int64_t which, int first,
                     int rungs, struct nb_error *e)
{
    return add(p,
               (struct nb_block){.question = q,
                                 .base = base,
                                 .operand = operand,
                                 .which = which,
                                 .first = first,
                                 .rungs = rungs,
                                 .probes = 2 * (size_t)rungs},
               e);
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct nb_climb *nb_climb_of(const struct nb_probes *p, int base, int operand, int64_t entry)
{
    const struct nb_spot *s = &p->base[base];
    const int64_t *chosen = s->chosen[operand];
    if (!chosen)
        return &s->climb[operand][entry];
    const int64_t *at = bsearch(&entry, chosen, (size_t)s->climbs[operand], sizeof entry, compare);
    return at ? &s->climb[operand][at - chosen] : NULL;
}

static bool uses_complex(const struct nb_probes *p, int operand)
{
    return p->f.by_complex && !p->operand[operand].no_complex;
}

/* 0: nothing to ask; else one more than the rung to begin with. */
static int begins_at(const struct nb_probes *p, int operand, const struct nb_climb *c)
{
    bool steps = c->has_z || !uses_complex(p, operand);
    return c->state == NB_OPEN && steps && c->rungs < p->ladder[2] ? c->rungs + 1 : 0;
}

static int rungs_after(const struct nb_probes *p, int first)
{
    for (int i = 0; i < 3; i++)
        if (first < p->ladder[i])
            return p->ladder[i] - first;
    return 0;
}

/* Of a colour: the entries that begin at this rung; how many. */
static int mark(struct nb_probes *p, int base, int operand, int64_t colour, int begin, bool doubtful)
{
    const struct nb_grid *g = nb_grid_of(p, base, operand);
    int n = 0;
    for (int64_t i = 0; i < g->groups; i++) {
        struct nb_climb *c = nb_climb_of(p, base, operand, nb_grid_entry(g, i, colour));
        if (c && !c->asked && c->doubtful == doubtful && begins_at(p, operand, c) == begin)
            n += c->asked = true;
    }
    return n;
}

static int ask_colour(struct nb_probes *p, int base, int operand, int64_t colour, bool doubtful, struct nb_error *e)
{
    for (int i = 0; i < 3; i++) {
        int first = i ? p->ladder[i - 1] : 0, rungs = rungs_after(p, first);
        if (room(p, 2 * (size_t)rungs) && mark(p, base, operand, colour, first + 1, doubtful) &&
            add_rungs(p, NB_ASK_LADDER, base, operand, colour, first, rungs, e))
            return -1;
    }
    return 0;
}

static int64_t least_wrong(const struct nb_probes *p, int base, int operand)
{
    const struct nb_spot *s = &p->base[base];
    int64_t least = -1;
    for (int64_t i = 0; i < s->climbs[operand]; i++) {
        const struct nb_climb *c = &s->climb[operand][i];
        if (c->doubtful && !c->asked && begins_at(p, operand, c) &&
            (least < 0 || c->r.error < s->climb[operand][least].r.error))
            least = i;
    }
    return least;
}

/* Of the entries that were called wrong at the first look, those that are least so are looked at again. */
static int ask_doubtful(struct nb_probes *p, int base, int operand, struct nb_error *e)
{
    const struct nb_spot *s = &p->base[base];
    const struct nb_grid *g = nb_grid_of(p, base, operand);
    for (int k = 0; k < SECOND_LOOKS; k++) {
        int64_t least = least_wrong(p, base, operand);
        if (least < 0)
            break;
        int64_t entry = s->chosen[operand] ? s->chosen[operand][least] : least;
        if (ask_colour(p, base, operand, nb_grid_colour(g, entry), true, e))
            return -1;
        if (!s->climb[operand][least].asked)
            break; /* no room */
    }
    return 0;
}

static bool some_open(const struct nb_probes *p, int base, int operand)
{
    const struct nb_spot *s = &p->base[base];
    for (int64_t i = 0; i < s->climbs[operand]; i++)
        if (s->climb[operand][i].state == NB_OPEN)
            return true;
    return false;
}

static int ask_ladders(struct nb_probes *p, int base, int operand, struct nb_error *e)
{
    const struct nb_grid *g = nb_grid_of(p, base, operand);
    const int64_t *chosen = p->base[base].chosen[operand];
    if (!some_open(p, base, operand))
        return 0;
    for (int64_t c = 0; c < (chosen ? p->base[base].climbs[operand] : g->colours); c++)
        if (ask_colour(p, base, operand, chosen ? chosen[c] : c, false, e))
            return -1;
    return ask_doubtful(p, base, operand, e);
}

/* ---- complex steps ----------------------------------------------------------------------------------------------- */

static bool waits_for_complex(const struct nb_probes *p, int base, int operand, int64_t colour)
{
    const struct nb_grid *g = nb_grid_of(p, base, operand);
    for (int64_t i = 0; i < g->groups; i++) {
        const struct nb_climb *c = nb_climb_of(p, base, operand, nb_grid_entry(g, i, colour));
        if (c && c->state == NB_OPEN && !c->has_z)
            return true;
    }
    return false;
}

/* Differences beside the complex step, at a few places of their own: whether the function takes complex arguments is
 * another claim. */
static int ask_beside(struct nb_probes *p, int base, int operand, int64_t colours, struct nb_error *e)
{
    const int64_t *chosen = p->base[base].chosen[operand];
    const struct nb_grid *g = nb_grid_of(p, base, operand);
    for (int k = 0; k < COMPLEX_SPOTS && k < colours; k++) {
        int64_t c = (int64_t)(nb_draw(p, nb_draw_at(NB_DRAW_SPOT, base, operand, 1 + k, 0)) * (double)colours);
        int64_t colour = chosen ? chosen[c] : c;
        int n = 0;
        for (int64_t i = 0; i < g->groups; i++) {
            struct nb_climb *x = nb_climb_of(p, base, operand, nb_grid_entry(g, i, colour));
            if (x && x->state == NB_OPEN && !x->asked && !x->rungs)
                n += x->asked = true;
        }
        if (n && add_rungs(p, NB_ASK_LADDER, base, operand, colour, 0, p->ladder[0], e))
            return -1;
    }
    return 0;
}

static int ask_complex(struct nb_probes *p, int base, int operand, struct nb_error *e)
{
    const int64_t *chosen = p->base[base].chosen[operand];
    int64_t colours = chosen ? p->base[base].climbs[operand] : nb_grid_of(p, base, operand)->colours, asked = 0;
    for (int64_t k = 0; k < colours && room(p, 1); k++) {
        int64_t colour = chosen ? chosen[k] : k;
        struct nb_block b = {
            .question = NB_ASK_COMPLEX, .base = base, .operand = operand, .which = colour, .probes = 1};
        if (!waits_for_complex(p, base, operand, colour))
            continue;
        asked++;
        if (add(p, b, e))
            return -1;
    }
    return asked && !p->base[base].known ? ask_beside(p, base, operand, colours, e) : 0;
}

/* ---- a base ------------------------------------------------------------------------------------------------------ */

static int ask_operand(struct nb_probes *p, int base, int operand, struct nb_error *e)
{
    const struct nb_spot *s = &p->base[base];
    const struct nb_operand *o = &p->operand[operand];
    bool fresh = !s->known, affine = o->layout == NB_AFFINE;
    if (fresh && o->n && add_of(p, NB_ASK_COMPANION, base, operand, NB_COMPANIONS, e))
        return -1;
    if (fresh && s->every && !o->refuted &&
        add_of(p, NB_ASK_LEAK, base, operand, 2 * (size_t)nb_leak_bits(&o->claimed), e))
        return -1;
    for (int d = 0; fresh && !s->every && d < p->directions && o->n; d++)
        if (add_rungs(p, NB_ASK_DIRECTION, base, operand, d, 0, p->ladder[0], e))
            return -1;
    if (affine && fresh)
        return add_of(p, NB_ASK_UNIT, base, operand, (size_t)s->climbs[operand], e) ||
                       add_of(p, NB_ASK_BEND, base, operand, o->n ? NB_BENDS : 0, e)
                   ? -1
                   : 0;
    if (!affine && uses_complex(p, operand) && ask_complex(p, base, operand, e))
        return -1;
    return ask_ladders(p, base, operand, e);
}

static int ask_joints(struct nb_probes *p, int base, struct nb_error *e)
{
    for (size_t k = 0; k < p->joints; k++) {
        struct nb_joint *j = &p->joint[k];
        size_t probes = 4 * (size_t)j->directions;
        struct nb_block b = {.question = NB_ASK_JOINT, .base = base, .which = (int64_t)k, .probes = probes};
        if (j->base != base || j->asked || !room(p, probes))
            continue;
        j->asked = true;
        if (add(p, b, e))
            return -1;
    }
    return 0;
}

static int ask_base(struct nb_probes *p, int base, struct nb_error *e)
{
    size_t blocks = p->blocks, probes = p->probes;
    bool fresh = !p->base[base].known;
    if (p->base[base].dropped || add_base(p, base, e))
        return -(e->code != 0);
    if (fresh && add_of(p, NB_ASK_JIGGLE, base, 0, (size_t)jiggles(p), e))
        return -1;
    for (int t = 0; t < p->operands; t++)
        if (ask_operand(p, base, t, e))
            return -1;
    if (ask_joints(p, base, e))
        return -1;
    if (p->blocks > blocks + 1)
        return add_base(p, base, e);
    p->blocks = blocks;
    p->probes = probes;
    return 0;
}

static void forget_asked(struct nb_probes *p)
{
    for (int b = 0; b < p->bases; b++)
        for (int t = 0; t < p->operands; t++)
            for (int64_t i = 0; i < p->base[b].climbs[t]; i++)
                p->base[b].climb[t][i].asked = false;
}

int nb_plan_round(struct nb_probes *p, struct nb_error *e)
{
    p->blocks = p->probes = 0;
    forget_asked(p);
    for (int b = 0; b < p->bases; b++)
        if (ask_base(p, b, e))
            return -1;
    return 0;
}

const struct nb_block *nb_block_of(const struct nb_probes *p, size_t probe)
{
    size_t low = 0, high = p->blocks;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (p->block[mid].probe <= probe)
            low = mid;
        else
            high = mid;
    }
    return &p->block[low];
}
