/* joint - entries that share a kink: max(x, y) at x = y, a norm at 0. Alone each may have any slope between two;
 * together they may not. They are moved together, in pairs and as a whole, and the claim is held against the slope in
 * each of these directions. */
#include "probes/probing.h"
#include <math.h>
#include <string.h>

enum { RANDOM = 4, MOST_MEMBERS = 1024, MOST_AT_A_POINT = 4096 };

/* ---- who shares a kink with whom --------------------------------------------------------------------------------- */

struct met { /* an entry at a kink */
    int operand, root;
    int64_t entry;
    struct nb_climb *c;
};

static int root_of(const struct met *m, int i)
{
    while (m[i].root != i)
        i = m[i].root;
    return i;
}

static int collect(const struct nb_probes *p, int base, struct met *m)
{
    const struct nb_spot *s = &p->base[base];
    int n = 0;
    for (int t = 0; t < p->operands; t++)
        for (int64_t i = 0; i < s->climbs[t] && s->claim[t]; i++) {
            struct nb_climb *c = &s->climb[t][i];
            if (c->kink != NB_AT_KINK || n == MOST_AT_A_POINT)
                continue;
            m[n] = (struct met){t, n, s->chosen[t] ? s->chosen[t][i] : i, c};
            n++;
        }
    return n;
}

/* Through the outputs that have the kink. */
static void unite(struct met *m, int n, int32_t *owner)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < m[i].c->touches; k++) {
            int32_t *o = &owner[m[i].c->touched[k]];
            if (*o >= 0)
                m[root_of(m, i)].root = root_of(m, *o);
            *o = i;
        }
}

/* ---- the directions ---------------------------------------------------------------------------------------------- */

static double claim_of(const struct nb_probes *p, const struct nb_joint *j, int k)
{
    return p->base[j->base].claim[j->member[k].operand][j->member[k].entry];
}

static int directions_of(int n)
{
    return n <= NB_JOINT_MOST ? n + n * (n - 1) + 2 + RANDOM : 2 + RANDOM;
}

static void draw_directions(const struct nb_probes *p, struct nb_joint *j, size_t number)
{
    double *v = j->v, largest = 0;
    for (int i = 0; i < j->n && j->n <= NB_JOINT_MOST; i++, v += j->n)
        v[i] = 1;
    for (int i = 0; i < j->n && j->n <= NB_JOINT_MOST; i++)
        for (int k = 0; k < i; k++, v += 2 * j->n) {
            v[i] = v[k] = v[j->n + i] = 1;
            v[j->n + k] = -1;
        }
    for (int i = 0; i < j->n; i++)
        largest = fmax(largest, fabs(claim_of(p, j, i)));
    for (int i = 0; i < j->n; i++) {
        v[i] = 1;
        v[j->n + i] = largest > 0 ? claim_of(p, j, i) / largest : 1;
        for (int r = 0; r < RANDOM; r++)
            v[(2 + r) * j->n + i] = nb_draw_sign(p, nb_draw_at(NB_DRAW_JOINT, j->base, (int)(number % 64), r, i));
    }
}

static int new_joint(struct nb_probes *p, int base, struct met *m, int n, int root, int members, struct nb_error *e)
{
    struct nb_joint j = {.base = base, .directions = directions_of(members)};
    if (nb_grow(p->arena, &p->joint, p->joints, &p->joint_room, sizeof *p->joint, e) ||
        !(j.member = nb_small(p->arena, (size_t)members, sizeof *j.member, e)) ||
        !(j.v = nb_zalloc(p->arena, (size_t)(members * j.directions), sizeof *j.v, e)))
        return -1;
    for (int i = 0; i < n; i++)
        if (root_of(m, i) == root) {
            j.member[j.n].operand = m[i].operand;
            j.member[j.n++].entry = m[i].entry;
            j.rung = m[i].c->settled - 1 > j.rung ? m[i].c->settled - 1 : j.rung;
            m[i].c->joint = (int)p->joints;
        }
    draw_directions(p, &j, p->joints);
    p->joint[p->joints++] = j;
    return 0;
}

static void untell(struct nb_climb *c)
{
    if (c->r.verdict == NB_RIGHT)
        c->r.verdict = NB_CANNOT_TELL;
}

static int group(struct nb_probes *p, int base, struct met *m, int n, int root, struct nb_error *e)
{
    int members = 0;
    bool fresh = false;
    for (int i = 0; i < n; i++)
        if (root_of(m, i) == root) {
            members++;
            fresh |= m[i].c->joint < 0;
        }
    if (members < 2 || !fresh)
        return 0;
    for (int i = 0; i < n; i++)
        if (root_of(m, i) == root)
            untell(m[i].c);
    return members <= MOST_MEMBERS ? new_joint(p, base, m, n, root, members, e) : 0;
}

int nb_joint_find(struct nb_probes *p, struct nb_arena *scratch, struct nb_error *e)
{
    struct met *m = nb_small(scratch, MOST_AT_A_POINT, sizeof *m, e);
    int32_t *owner = nb_small(scratch, p->m, sizeof *owner, e);
    if (!m || !owner)
        return -1;
    for (int b = 0; b < p->bases; b++) {
        int n = p->base[b].claimed && p->base[b].finite ? collect(p, b, m) : 0;
        memset(owner, -1, p->m * sizeof *owner);
        unite(m, n, owner);
        for (int i = 0; i < n; i++)
            if (root_of(m, i) == i && group(p, b, m, n, i, e))
                return -1;
    }
    return 0;
}

/* ---- what the answers say ---------------------------------------------------------------------------------------- */

struct slopes {         /* along one direction, forwards and backwards */
    double ahead, back; /* of the function */
    double claim_ahead, claim_back;
    double bar;
};

struct seen {
    const struct nb_probes *p;
    const struct nb_heard *h;
    const struct nb_block *b;
    const struct nb_joint *j;
    const struct nb_spot *s;
};

static const double *row(const struct seen *s, int direction, int which)
{
    return nb_heard_row(s->h, s->b->probe + 4 * (size_t)direction + (size_t)which);
}

static double rise(const struct seen *s, int direction, int which)
{
    const double *y = row(s, direction, which);
    double sum = 0;
    for (size_t k = 0; k < s->p->m; k++)
        sum += s->s->g[k] * (y[k] - s->s->y[k]);
    return sum;
}

static double claimed_rise(const struct seen *s, int direction, int which)
{
    double sum = 0;
    for (int k = 0; k < s->j->n; k++) {
        double x = s->s->at[s->p->operand[s->j->member[k].operand].in][s->j->member[k].entry];
        double h = nb_joint_step(s->p, s->j, k, 4 * (size_t)direction + (size_t)which);
        sum += claim_of(s->p, s->j, k) * (nb_stepped(s->p, x, h) - x);
    }
    return sum;
}

/* For the whole step of the direction as the unit. Two steps, so that curvature falls out. */
static struct slopes slopes_of(const struct seen *s, int direction)
{
    double far = rise(s, direction, 0), near = 2 * rise(s, direction, 2);
    double far_back = rise(s, direction, 1), near_back = 2 * rise(s, direction, 3), noise = 0;
    for (size_t k = 0; k < s->p->m; k++)
        noise += fabs(s->s->g[k]) * fmax(s->p->eps * fabs(s->s->y[k]), s->s->noise[k]);
    return (struct slopes){.ahead = 2 * near - far,
                           .back = 2 * near_back - far_back,
                           .claim_ahead = claimed_rise(s, direction, 0),
                           .claim_back = claimed_rise(s, direction, 1),
                           .bar = fabs(near - far) + fabs(near_back - far_back) + 6 * NB_ROUNDING * noise};
}

/* The claim between the slopes that a set of gradients would have: at most the slope ahead where the function turns
 * upwards, at least where it turns downwards. By how much not. */
static double excess(const struct slopes *s, int turn)
{
    double over = turn >= 0 ? fmax(s->claim_ahead - s->ahead, s->claim_back - s->back) : 0;
    double under = turn <= 0 ? fmax(s->ahead - s->claim_ahead, s->back - s->claim_back) : 0;
    double rho = 1e-6 * fmax(fabs(s->claim_ahead), fabs(s->ahead));
    return fmax(over, under) - s->bar - rho;
}

/* Do entries i and k move an output together by something else than the sum of what each does? */
static bool couples(const struct seen *s, int pair, int i, int k, int sign)
{
    const double *both = row(s, pair, 0), *one = row(s, i, 0), *other = row(s, k, sign > 0 ? 0 : 1);
    for (size_t q = 0; q < s->p->m; q++) {
        double y = s->s->y[q], a = one[q] - y, b = other[q] - y, c = both[q] - y;
        double floor = 2 * fmax(s->p->eps * (fabs(y) + fabs(a) + fabs(b)), s->s->noise[q]);
        if (fabs(c - a - b) > 0.12 * fmax(fabs(a), fmax(fabs(b), fabs(c))) + 20 * floor)
            return true;
    }
    return false;
}

/* Number of the pair (i, k), k < i, with signs alike; the one with different signs follows. */
static int pair_of(const struct nb_joint *j, int i, int k)
{
    return j->n + i * (i - 1) + 2 * k;
}

/* How many of the pairs couple: none, all, or some. */
static int coupling(const struct seen *s)
{
    int pairs = 0, coupled = 0;
    for (int i = 0; i < s->j->n; i++)
        for (int k = 0; k < i; k++, pairs++) {
            int pair = pair_of(s->j, i, k);
            coupled += couples(s, pair, i, k, 1) || couples(s, pair + 1, i, k, -1);
        }
    return coupled == 0 ? 0 : coupled == pairs ? 2 : 1;
}

/* 1: it turns upwards in all directions (max, norm), -1: downwards, 0: both. */
static int turning(const struct seen *s)
{
    bool up = false, down = false;
    for (int d = 0; d < s->j->directions; d++) {
        struct slopes x = slopes_of(s, d);
        up |= x.ahead + x.back > x.bar;
        down |= x.ahead + x.back < -x.bar;
    }
    return up && down ? 0 : down ? -1 : 1;
}

/* The nearest claim that this direction would let pass. */
static void blame(struct nb_probes *p, const struct seen *s, int direction, double by)
{
    const double *v = s->j->v + direction * s->j->n;
    struct slopes x = slopes_of(s, direction);
    double norm = 0, sign = fabs(x.claim_ahead - x.ahead) >= fabs(x.claim_back - x.back) ? 1 : -1;
    sign *= sign > 0 ? (x.claim_ahead > x.ahead ? 1 : -1) : (x.claim_back > x.back ? 1 : -1);
    for (int k = 0; k < s->j->n; k++) {
        double h = nb_joint_step(p, s->j, k, 4 * (size_t)direction);
        norm += h * h;
    }
    for (int k = 0; k < s->j->n; k++) {
        struct nb_climb *c = nb_climb_of(p, s->j->base, s->j->member[k].operand, s->j->member[k].entry);
        double a = claim_of(p, s->j, k), h = nb_joint_step(p, s->j, k, 4 * (size_t)direction);
        double value = a - sign * by * h / norm, m = fmax(fabs(a), fabs(value));
        if (v[k] == 0)
            continue;
        c->r = (struct nb_ruling){.verdict = NB_WRONG,
                                  .reason = NB_WHY_kink,
                                  .value = value,
                                  .bar = c->slack,
                                  .error = m > 0 ? fabs(a - value) / m : 0};
    }
}

static void tell(struct nb_probes *p, const struct nb_joint *j)
{
    for (int k = 0; k < j->n; k++) {
        struct nb_climb *c = nb_climb_of(p, j->base, j->member[k].operand, j->member[k].entry);
        if (c->r.verdict == NB_CANNOT_TELL)
            c->r = nb_kink_judge(p, j->base, j->member[k].operand, j->member[k].entry, c);
    }
}

static bool some_wrong(const struct nb_probes *p, const struct nb_joint *j)
{
    for (int k = 0; k < j->n; k++)
        if (nb_climb_of(p, j->base, j->member[k].operand, j->member[k].entry)->r.verdict == NB_WRONG)
            return true;
    return false;
}

static bool rows_finite(const struct seen *s)
{
    for (size_t i = 0; i < s->b->probes * s->p->m; i++)
        if (!isfinite(nb_heard_row(s->h, s->b->probe)[i]))
            return false;
    return true;
}

void nb_joint_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b)
{
    const struct nb_joint *j = &p->joint[b->which];
    struct seen s = {p, h, b, j, &p->base[b->base]};
    double worst = 0;
    int at = -1;
    if (!rows_finite(&s) || some_wrong(p, j))
        return;
    int coupled = j->n <= NB_JOINT_MOST ? coupling(&s) : 2, turn = turning(&s);
    if (coupled == 0) { /* each has a kink of its own */
        tell(p, j);
        return;
    }
    if (coupled == 1 || turn == 0)
        return;
    for (int d = 0; d < j->directions; d++) {
        struct slopes x = slopes_of(&s, d);
        double by = excess(&x, fabs(x.ahead + x.back) <= x.bar ? 0 : turn);
        if (by > worst) {
            worst = by;
            at = d;
        }
    }
    if (at >= 0)
        blame(p, &s, at, worst);
    else
        tell(p, j);
}
