/* gates.h - the arithmetic of the recurrent cells for one sample of one step: n units, the blocks of their gates one
 * after the other.
 *
 * Forward leaves the inputs of the activations, a, behind; backward computes the activations again from them: the slope
 * of a gate that is all but shut or open is not to be had from its value. Both clamp a to +-clip on reading. */
#ifndef NABLA_GATES_H
#define NABLA_GATES_H
#include "nabla/num.h"
#include <stdbool.h>

static inline nb_real nb_clamped(nb_real a, nb_part clip)
{
    return nb_re(a) > clip ? (nb_real)clip : nb_re(a) < -clip ? (nb_real)-clip : a;
}

/* 1 where the clamp lets a change pass. */
static inline nb_part nb_passes(nb_real a, nb_part clip)
{
    return (nb_re(a) > clip) | (nb_re(a) < -clip) ? (nb_part)0 : (nb_part)1;
}

/* An activation and its slope, from a. */
struct nb_gate {
    nb_real y, slope;
};

static inline struct nb_gate nb_sigmoid_gate(nb_real a, nb_part clip)
{
    nb_real x = nb_clamped(a, clip), z = nb_exp(-nb_abs(x)), r = 1 / (1 + z);
    return (struct nb_gate){(nb_re(x) >= 0 ? (nb_real)1 : z) * r, nb_passes(a, clip) * (z * r * r)};
}

static inline struct nb_gate nb_tanh_gate(nb_real a, nb_part clip)
{
    nb_real x = nb_clamped(a, clip), z = nb_exp(-2 * nb_abs(x)), r = 1 / (1 + z);
    return (struct nb_gate){nb_tanh(x), nb_passes(a, clip) * (4 * z * r * r)};
}

/* y += a b */
NB_SIMD static void nb_add_product(size_t n, const nb_real *restrict a, const nb_real *restrict b, nb_real *restrict y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] += a[i] * b[i];
}

/* ---- the plain cell: h' = tanh(a) or relu(a) -------------------------------------------------------------------- */

NB_SIMD static void nb_tanh_forward(size_t n, nb_part clip, const nb_real *restrict a, nb_real *restrict h)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        h[i] = nb_tanh(nb_clamped(a[i], clip));
}

NB_SIMD static void nb_tanh_backward(size_t n, nb_part clip, const nb_real *restrict a, const nb_real *restrict dh,
                                     nb_real *restrict da)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        da[i] = dh[i] * nb_tanh_gate(a[i], clip).slope;
}

NB_SIMD static void nb_relu_forward(size_t n, nb_part clip, const nb_real *restrict a, nb_real *restrict h)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real x = nb_clamped(a[i], clip);
        h[i] = nb_re(x) > 0 || nb_re(x) != nb_re(x) ? x : (nb_real)0;
    }
}

NB_SIMD static void nb_relu_backward(size_t n, nb_part clip, const nb_real *restrict a, const nb_real *restrict dh,
                                     nb_real *restrict da)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real x = a[i], g = dh[i];
        da[i] = nb_re(x) > 0 ? g * nb_passes(x, clip) : (nb_real)0;
    }
}

/* ---- LSTM: blocks i, f, g, o ------------------------------------------------------------------------------------ */

/* c' = f c + i g */
NB_SIMD static void nb_lstm_memory(size_t n, nb_part clip, const nb_real *restrict a, const nb_real *restrict c,
                                   nb_real *restrict next)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        nb_real i = nb_sigmoid(nb_clamped(a[j], clip)), f = nb_sigmoid(nb_clamped(a[n + j], clip)),
                g = nb_tanh(nb_clamped(a[2 * n + j], clip));
        next[j] = f * c[j] + i * g;
    }
}

/* h' = o tanh(c') */
NB_SIMD static void nb_lstm_output(size_t n, nb_part clip, const nb_real *restrict ao, const nb_real *restrict c,
                                   nb_real *restrict h)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++)
        h[j] = nb_sigmoid(nb_clamped(ao[j], clip)) * nb_tanh(c[j]);
}

/* From dh: that of the output gate; dc, what comes from later steps, gets what comes through tanh. */
NB_SIMD static void nb_lstm_output_back(size_t n, nb_part clip, const nb_real *restrict ao, const nb_real *restrict c,
                                        const nb_real *restrict dh, nb_real *restrict dao, nb_real *restrict dc)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        struct nb_gate o = nb_sigmoid_gate(ao[j], clip), t = nb_tanh_gate(c[j], (nb_part)INFINITY);
        dao[j] = dh[j] * t.y * o.slope;
        dc[j] += dh[j] * o.y * t.slope;
    }
}

/* From dc, that of c': the other gates; dc becomes that of c. */
NB_SIMD static void nb_lstm_memory_back(size_t n, nb_part clip, const nb_real *restrict a, const nb_real *restrict c,
                                        nb_real *restrict da, nb_real *restrict dc)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        struct nb_gate i = nb_sigmoid_gate(a[j], clip), f = nb_sigmoid_gate(a[n + j], clip),
                       g = nb_tanh_gate(a[2 * n + j], clip);
        nb_real e = dc[j];
        da[j] = e * g.y * i.slope;
        da[n + j] = e * c[j] * f.slope;
        da[2 * n + j] = e * i.y * g.slope;
        dc[j] = e * f.y;
    }
}

/* ---- GRU: blocks r, z, n ---------------------------------------------------------------------------------------- */

/* The product comes before the reset: u = W_hh h + b_hh. Completes a, keeps q = u_n. */
NB_SIMD static void nb_gru_forward(size_t n, nb_part clip, const nb_real *restrict u, const nb_real *restrict h,
                                   nb_real *restrict a, nb_real *restrict q, nb_real *restrict next)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        nb_real ar = a[j] + u[j], az = a[n + j] + u[n + j], r = nb_sigmoid(nb_clamped(ar, clip)),
                z = nb_sigmoid(nb_clamped(az, clip)), an = a[2 * n + j] + r * u[2 * n + j];
        a[j] = ar;
        a[n + j] = az;
        a[2 * n + j] = an;
        q[j] = u[2 * n + j];
        next[j] = (1 - z) * nb_tanh(nb_clamped(an, clip)) + z * h[j];
    }
}

/* From dh: da of what came from x, du of what came from h; back, the part of dh that goes straight on. */
NB_SIMD static void nb_gru_backward(size_t n, nb_part clip, const nb_real *restrict a, const nb_real *restrict q,
                                    const nb_real *restrict h, const nb_real *restrict dh, nb_real *restrict da,
                                    nb_real *restrict du, nb_real *restrict back)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        struct nb_gate r = nb_sigmoid_gate(a[j], clip), z = nb_sigmoid_gate(a[n + j], clip),
                       m = nb_tanh_gate(a[2 * n + j], clip);
        nb_real g = dh[j], e = g * (1 - z.y) * m.slope, dr = e * q[j] * r.slope, dz = g * (h[j] - m.y) * z.slope;
        da[j] = du[j] = dr;
        da[n + j] = du[n + j] = dz;
        da[2 * n + j] = e;
        du[2 * n + j] = e * r.y;
        back[j] = g * z.y;
    }
}

/* The reset comes before the product: u = W_h[rz] h + b_h[rz]. Completes r and z, keeps q = r h. */
NB_SIMD static void nb_gru_reset(size_t n, nb_part clip, const nb_real *restrict u, const nb_real *restrict h,
                                 nb_real *restrict a, nb_real *restrict q)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        nb_real ar = a[j] + u[j];
        a[j] = ar;
        a[n + j] += u[n + j];
        q[j] = nb_sigmoid(nb_clamped(ar, clip)) * h[j];
    }
}

/* u = W_hn q + b_hn */
NB_SIMD static void nb_gru_update(size_t n, nb_part clip, const nb_real *restrict u, const nb_real *restrict h,
                                  nb_real *restrict a, nb_real *restrict next)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        nb_real an = a[2 * n + j] + u[j], z = nb_sigmoid(nb_clamped(a[n + j], clip));
        a[2 * n + j] = an;
        next[j] = (1 - z) * nb_tanh(nb_clamped(an, clip)) + z * h[j];
    }
}

/* From dh: da of z and n, and back as above. */
NB_SIMD static void nb_gru_update_back(size_t n, nb_part clip, const nb_real *restrict a, const nb_real *restrict h,
                                       const nb_real *restrict dh, nb_real *restrict da, nb_real *restrict back)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        struct nb_gate z = nb_sigmoid_gate(a[n + j], clip), m = nb_tanh_gate(a[2 * n + j], clip);
        nb_real g = dh[j];
        da[n + j] = g * (h[j] - m.y) * z.slope;
        da[2 * n + j] = g * (1 - z.y) * m.slope;
        back[j] = g * z.y;
    }
}

/* From dq: da of r; adds to back. */
NB_SIMD static void nb_gru_reset_back(size_t n, nb_part clip, const nb_real *restrict a, const nb_real *restrict h,
                                      const nb_real *restrict dq, nb_real *restrict da, nb_real *restrict back)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        struct nb_gate r = nb_sigmoid_gate(a[j], clip);
        da[j] = dq[j] * h[j] * r.slope;
        back[j] += dq[j] * r.y;
    }
}

#endif
