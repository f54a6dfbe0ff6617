/* test_products.c - products, places, attention and normalisations of samples: shapes with symbols, what is refused and
 * where, closed forms, and the traps. */
#include "inference.h"

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static const struct inference shapes[] = {
    {"CosineSimilarity", NULL, "BxT Bx1", "[B]"},
    {"CosineSimilarity", "{\"dim\": 2}", "BxTx8 Bx1x8", "[B, T]"},
    {"CosineSimilarity", "{\"dim\": 0}", "5 5", "[]"},
    {"CosineSimilarity", NULL, "5 5", "bad_argument /dim: dim is 1"},
    {"CosineSimilarity", NULL, "Bx3 Bx5", "shape_mismatch : x1 is [B, 3], x2 is [B, 5]"},
    {"PairwiseDistance", "{\"keepdim\": true}", "BxT T", "[B, 1]"},
    {"PairwiseDistance", NULL, " ", "shape_mismatch : "},
    {"CircularConv", NULL, "BxT Bx3", "[B, T]"},
    {"CircularConv", NULL, "BxT 3", "shape_mismatch : input is [B, T], kernel is [3]"},
    {"CircularConv", NULL, "2x5 3x3", "shape_mismatch : "},
    {"Einsum", "{\"equation\": \"bn,bnm->bm\"}", "BxT BxTx8", "[B, 8]"},
    {"Einsum", "{\"equation\": \"ij,jk\"}", "Bx? TxB", "[B, B]"},
    {"Einsum", "{\"equation\": \"ij->\"}", "BxT", "[]"},
    {"Einsum", "{\"equation\": \"ba\"}", "BxT", "[T, B]"},
    {"Einsum", "{\"equation\": \"ij,jk->ik\"}", "3x5 7x2",
     "shape_mismatch : dimension 0 of operand 1 (j, shape [7, 2]) has another size before"},
    {"Einsum", "{\"equation\": \"ij,jk->ik\"}", "3x5 5", "shape_mismatch : operand 1 has 2 labels"},
    {"Einsum", "{\"equation\": \"ij,jk->ik\"}", "3x5", "input_count : the equation has 2 operands, 1 came"},
    {"Einsum", "{\"equation\": \"ij->ii\"}", "3x3", "bad_argument /equation: ij->ii: the result has the label i twice"},
    {"Einsum", "{\"equation\": \"ij->ik\"}", "3x3", "bad_argument /equation: ij->ik: no operand has the label k"},
    {"Einsum", "{\"equation\": \"...i->i\"}", "3x3", "bad_argument /equation: labels are letters"},
    {"Einsum", "{\"equation\": \"i->i->i\"}", "3", "bad_argument /equation: labels are letters"},
    {"Einsum", "{\"equation\": \"abcdefghi->a\"}", "3", "bad_argument /equation: "},
    {"Einsum", "{\"equation\": \"abcde,fghij->afbg\"}", "2x2x2x2x2 2x2x2x2x2", "[2, 2, 2, 2]"},
    {"Einsum", "{\"equation\": \"abcde,fghij,jihgfedcba->\"}", "2x2x2x2x2 2x2x2x2x2 2", "bad_argument /equation: "},
    {"Einsum", "{\"equation\": \"abcde,fghij,abcfgh,dij->e\"}", "2x2x2x2x2 2x2x2x2x2 2x2x2x2x2x2 2x2x2", "limit : "},
    {"Einsum", "{\"equation\": \"a,b,c->\"}", "99999 99999 99999", "[]"},
    {"Einsum", "{\"equation\": \"a,b,abc->c\"}", "99999 99999 99999x99999x1", "limit : "},
    {"Gemm", "{\"transA\": true}", "TxB Tx5", "[B, 5]"},
    {"Gemm", "{\"transB\": true}", "BxT 5xT 5", "[B, 5]"},
    {"Gemm", NULL, "3x5 3x5", "shape_mismatch : a is [3, 5], b is [3, 5]: wanted are [M, K] and [K, N]"},
    {"Gemm", NULL, "3x5 5x2 3", "shape_mismatch : c is [3], wanted is what broadcasts to [3, 2]"},
    {"Gemm", NULL, "3x5 5x2 7x3x2", "shape_mismatch : c is "},
    {"Gram", NULL, "BxTx4x?", "[B, T, T]"},
    {"Gram", NULL, "4x9", "[4, 4]"},
    {"Gram", NULL, "9", "shape_mismatch : the input is [9]"},
    {"Bilinear", "{\"out_features\": 3}", "BxTx4 BxTx5", "[B, T, 3]"},
    {"Bilinear", "{\"out_features\": 3}", "BxT Bx5", "missing_argument : in1_features is needed"},
    {"Bilinear", "{\"in2_features\": 4, \"out_features\": 3}", "Bx4 Bx5", "shape_mismatch /in2_features: "},
    {"Bilinear", "{\"out_features\": 3}", "2x4 3x5", "shape_mismatch : x1 is [2, 4], x2 is [3, 5]"},
    {"Embedding", "{\"num_embeddings\": 5, \"embedding_dim\": 3}", "BxT", "[B, T, 3]"},
    {"Embedding", "{\"num_embeddings\": 5, \"embedding_dim\": 3, \"padding_idx\": 5}", "B",
     "bad_argument /padding_idx: padding_idx is 5, wanted is -5 <= padding_idx < 5"},
    {"Embedding", "{\"num_embeddings\": 5, \"embedding_dim\": 3, \"padding_idx\": -6}", "B",
     "bad_argument /padding_idx: "},
    {"Embedding", "{\"num_embeddings\": 5, \"embedding_dim\": 3}", "1x1x1x1x1x1x1x1", "shape_mismatch : "},
    {"Gather", "{\"dim\": 1}", "Bx5x7 2xT", "[B, 2, T, 7]"},
    {"Gather", NULL, "5x7 ", "[7]"},
    {"Gather", "{\"dim\": 2}", "5x7 3", "bad_argument /dim: dim is 2"},
    {"GatherElements", "{\"dim\": 1}", "Bx5 Bx9", "[B, 9]"},
    {"GatherElements", "{\"dim\": 1}", "3x5 4x5", "shape_mismatch : input is [3, 5], index is [4, 5]"},
    {"GatherElements", "{\"dim\": 0}", "3x5 3", "shape_mismatch : "},
    {"ScatterAdd", "{\"dim\": 0}", "BxT 2xT 2xT", "[B, T]"},
    {"ScatterAdd", "{\"dim\": 0}", "5x3 2x3 2x2", "shape_mismatch : index is [2, 3], src is [2, 2]"},
    {"MaskedFill", "{\"value\": 1}", "BxT T", "[B, T]"},
    {"MaskedFill", "{\"value\": 1}", "Bx3 5", "shape_mismatch : "},
    {"TopK", "{\"k\": 2}", "BxT", "[B, 2] [B, 2]"},
    {"TopK", "{\"k\": 4, \"dim\": 0}", "3x5", "bad_argument /k: k is 4, dimension 0 of the input has fewer entries"},
    {"Sort", "{\"dim\": 0}", "BxT", "[B, T] [B, T]"},
    {"Sort", NULL, "", "bad_argument /dim: "},
    {"ArgMin", NULL, "BxT", "[B]"},
    {"Std", "{\"dim\": 1, \"keepdim\": true}", "BxT", "[B, 1]"},
    {"SumSquare", NULL, "BxT", "[]"},
    {"ScaledDotProductAttention", NULL, "Bx5x8 BxTx8 BxTx3", "[B, 5, 3]"},
    {"ScaledDotProductAttention", NULL, "5x8 7x8 7x3 5x7", "[5, 3]"},
    {"ScaledDotProductAttention", NULL, "5x8 7x9 7x3", "shape_mismatch : q is [5, 8], k is [7, 9], v is [7, 3]"},
    {"ScaledDotProductAttention", NULL, "5x8 7x8 7x3 5x6",
     "shape_mismatch : mask is [5, 6], wanted is what broadcasts to [5, 7]"},
    {"ScaledDotProductAttention", NULL, "5x8 7x8 7x3 2x5x7", "shape_mismatch : mask is "},
    {"MultiheadAttention", "{\"num_heads\": 2}", "TxBx6", "[T, B, 6]"},
    {"MultiheadAttention", "{\"num_heads\": 2, \"batch_first\": true}", "BxTx6 Bx5x6", "[B, T, 6]"},
    {"MultiheadAttention", "{\"num_heads\": 4}", "TxBx6", "bad_argument /num_heads: num_heads is 4"},
    {"MultiheadAttention", "{\"num_heads\": 2, \"embed_dim\": 8}", "TxBx6", "shape_mismatch : query is [T, B, 6]"},
    {"MultiheadAttention", "{\"num_heads\": 2}", "5x2x6 7x3x6", "shape_mismatch : query is "},
    {"MultiheadAttention", "{\"num_heads\": 2}", "5x2x6 7x2x6 8x2x6", "shape_mismatch : query is "},
    {"GroupNorm", "{\"num_groups\": 2}", "Bx6xT", "[B, 6, T]"},
    {"GroupNorm", "{\"num_groups\": 4}", "Bx6xT", "bad_argument /num_groups: num_groups is 4, which does not divide 6"},
    {"GroupNorm", "{\"num_groups\": 2}", "BxT", "missing_argument : num_channels is needed"},
    {"GroupNorm", "{\"num_groups\": 2, \"num_channels\": 4}", "Bx6", "shape_mismatch /num_channels: "},
    {"GroupNorm", "{\"num_groups\": 2}", "6", "shape_mismatch : the input is [6]"},
    {"InstanceNorm1d", NULL, "Bx6xT", "[B, 6, T]"},
    {"InstanceNorm2d", NULL, "6xTx5", "[6, T, 5]"},
    {"InstanceNorm2d", NULL, "6x5", "shape_mismatch : the input is [6, 5], wanted is [B, C, H, W] or [C, H, W]"},
    {"InstanceNorm3d", "{\"num_features\": 3}", "Bx2x4x4x4", "shape_mismatch /num_features: "},
    {"RMSNorm", "{\"normalized_shape\": [4]}", "BxTx4", "[B, T, 4]"},
    {"RMSNorm", "{\"normalized_shape\": [5]}", "BxTx4", "shape_mismatch /normalized_shape: "},
    {"LocalResponseNorm", "{\"size\": 3}", "BxTx4", "[B, T, 4]"},
    {"LocalResponseNorm", "{\"size\": 3}", "4", "shape_mismatch : the input is [4]"},
};

START_TEST(infers)
{
    check_inference(&shapes[_i]);
}
END_TEST

/* ---- closed forms and traps ---------------------------------------------------------------------------------------
 */

/* A zero vector: the value is 0, the gradient g b/eps, in the other operand 0. */
START_TEST(cosine_of_a_zero_vector)
{
    struct call c;
    call_begin(&c, (enum nb_dtype)_i, "CosineSimilarity", NULL);
    call_input(&c, "1x2", V(0, 0));
    call_input(&c, "1x2", V(3, -4));
    ck_assert(!call_forward(&c));
    call_backward(&c, V(0.5));
    call_near(&c.out[0], 0, 0, 0);
    call_near(&c.gin[0], 0, 1.5e8, 1e-6);
    call_near(&c.gin[0], 1, -2e8, 1e-6);
    call_near(&c.gin[1], 0, 0, 0);
    call_end(&c);
}
END_TEST

/* Squares that leave the range of the type. */
START_TEST(cosine_of_extremes)
{
    double large = _i == NB_F32 ? 1e25 : 1e200;
    struct call c;
    call_begin(&c, (enum nb_dtype)_i, "CosineSimilarity", NULL);
    call_input(&c, "1x2", V(3, 4));
    call_input(&c, "1x2", V(4, 3));
    for (int k = 0; k < 2; k++)
        call_set(&c.in[0], (size_t)k, (k ? 4 : 3) * large);
    ck_assert(!call_forward(&c));
    call_near(&c.out[0], 0, 0.96, 1e-6);
    call_end(&c);
}
END_TEST

/* All keys masked: zeros, and the gradient 0. */
START_TEST(attention_to_nothing)
{
    struct call c;
    call_begin(&c, (enum nb_dtype)_i, "ScaledDotProductAttention", NULL);
    call_input(&c, "2x1", V(1, 2));
    call_input(&c, "2x1", V(3, 4));
    call_input(&c, "2x1", V(5, 7));
    call_input(&c, "2x2", V(-INFINITY, -INFINITY, 0, -INFINITY));
    ck_assert(!call_forward(&c));
    call_backward(&c, V(1, 2));
    call_near(&c.out[0], 0, 0, 0);
    call_near(&c.out[0], 1, 5, 0);
    for (size_t i = 0; i < 2; i++) {
        call_near(&c.gin[0], i, 0, 0);
        call_near(&c.gin[1], i, 0, 0);
        call_near(&c.gin[2], i, i ? 0 : 2, 0);
    }
    call_end(&c);
}
END_TEST

/* 1, 2, 3, 4 beside 1e4: the variance is 1.25 also in single precision. */
START_TEST(group_far_from_zero)
{
    struct call c;
    call_begin(&c, (enum nb_dtype)_i, "GroupNorm", "{\"num_groups\": 1, \"eps\": 0}");
    call_input(&c, "1x2x2", V(10001, 10002, 10003, 10004));
    ck_assert(!call_forward(&c));
    for (size_t i = 0; i < 4; i++)
        call_near(&c.out[0], i, ((double)i - 1.5) / sqrt(1.25), _i == NB_F32 ? 1e-6 : 1e-11);
    call_end(&c);
}
END_TEST

/* One group for each channel is InstanceNorm; one group over all is LayerNorm; one sample is BatchNorm. */
START_TEST(normalisations_agree)
{
    static const struct {
        const char *type, *args, *shape;
        bool train;
    } same[] = {{"GroupNorm", "{\"num_groups\": 3, \"eps\": 0.1}", "1x3x4", false},
                {"InstanceNorm1d", "{\"eps\": 0.1}", "1x3x4", false},
                {"BatchNorm1d", "{\"eps\": 0.1}", "1x3x4", true},
                {"GroupNorm", "{\"num_groups\": 1, \"eps\": 0.1}", "3x4x1", false},
                {"LayerNorm", "{\"normalized_shape\": 4, \"eps\": 0.1}", "3x4", false}};
    const double x[] = {1, 2, 4, 8, -3, 0, 5, 1, 2, 2, 7, -6}, g[] = {1, -2, 0.5, 3, 1, 1, -1, 2, 0, -4, 1, 5};
    double y[12] = {0}, dx[12] = {0};
    for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
        struct call c;
        call_begin(&c, NB_F64, same[k].type, same[k].args);
        c.train = same[k].train;
        call_input(&c, same[k].shape, x);
        ck_assert(!call_forward(&c));
        call_backward(&c, g);
        for (size_t i = 0; i < 12; i++) {
            call_near(&c.out[0], i, k ? y[i] : call_at(&c.out[0], i), 1e-14);
            call_near(&c.gin[0], i, k ? dx[i] : call_at(&c.gin[0], i), 1e-14);
            y[i] = call_at(&c.out[0], i);
            dx[i] = call_at(&c.gin[0], i);
        }
        call_end(&c);
    }
}
END_TEST

/* Running statistics move to the means over the samples, the variance unbiased: channel of 1 3 and 2 6. */
START_TEST(instance_statistics)
{
    struct call c;
    call_begin(&c, NB_F64, "InstanceNorm1d", "{\"track_running_stats\": true, \"momentum\": 0.25}");
    c.train = true;
    call_input(&c, "2x1x2", V(1, 3, 2, 6));
    ck_assert(!call_forward(&c));
    const struct nb_call call = {.args = c.args,
                                 .train = true,
                                 .nin = 1,
                                 .nout = 1,
                                 .nw = c.nw,
                                 .in = c.in,
                                 .w = c.w,
                                 .out = c.out,
                                 .saved = c.saved_data,
                                 .work = c.work_data};
    c.m->track(&call);
    call_near(&c.w[0], 0, 0.25 * 3, 1e-15);
    call_near(&c.w[1], 0, 0.75 + 0.25 * 5, 1e-15);
    call_near(&c.w[2], 0, 0, 0);
    call_end(&c);
}
END_TEST

/* The products of matrices by labels are those of MatMul to the last bit. */
START_TEST(einsum_is_matmul)
{
    double a[60], b[84], y[70];
    struct nb_stream s = nb_stream_of((struct nb_seed){4, 0}, "einsum");
    for (size_t i = 0; i < 60; i++)
        a[i] = nb_normal(s, i);
    for (size_t i = 0; i < 84; i++)
        b[i] = nb_normal(s, 100 + i);
    for (int k = 0; k < 2; k++) {
        struct call c;
        call_begin(&c, NB_F64, k ? "Einsum" : "MatMul", k ? "{\"equation\": \"bij,bjk->bik\"}" : NULL);
        call_input(&c, "2x5x6", a);
        call_input(&c, "2x6x7", b);
        ck_assert(!call_forward(&c));
        for (size_t i = 0; i < 70; i++) {
            call_near(&c.out[0], i, k ? y[i] : call_at(&c.out[0], i), 0);
            y[i] = call_at(&c.out[0], i);
        }
        call_end(&c);
    }
}
END_TEST

/* Three turns of one place and one of three are the same; turns of N are none. */
START_TEST(turns_of_a_row)
{
    const double x[] = {1, 2, 4, 8, 16};
    double by_one[5];
    memcpy(by_one, x, sizeof x);
    for (int k = 0; k < 3; k++) {
        struct call c;
        call_begin(&c, NB_F64, "CircularConv", "{\"offset\": -4}"); /* one to the right of five */
        call_input(&c, "5", by_one);
        call_input(&c, "1", V(1));
        ck_assert(!call_forward(&c));
        for (size_t i = 0; i < 5; i++)
            by_one[i] = call_at(&c.out[0], i);
        call_end(&c);
    }
    for (size_t i = 0; i < 5; i++)
        ck_assert(by_one[i] == x[(i + 5 - 3) % 5]);
}
END_TEST

/* ---- data that do not fit ------------------------------------------------------------------------------------------
 */

static void fails(struct call *c, enum nb_code code, int port, const char *pointer, const char *detail)
{
    ck_assert(call_forward(c));
    ck_assert_msg(c->error.code == code && c->error.port == port && !strcmp(c->error.pointer, pointer) &&
                      strstr(c->error.detail, detail),
                  "%s, port %d, at %s: %s", nb_code_name(c->error.code), c->error.port, c->error.pointer,
                  c->error.detail);
    call_end(c);
}

START_TEST(embedding_of_no_row)
{
    struct call c;
    call_begin(&c, NB_F32, "Embedding", "{\"num_embeddings\": 5, \"embedding_dim\": 2}");
    call_classes(&c, "2x2", (const int64_t[]){0, 4, 5, 1});
    fails(&c, NB_E_bad_index, 1, "/1/0", "from 0 to 4; 5 came");
    call_begin(&c, NB_F32, "Embedding", "{\"num_embeddings\": 5, \"embedding_dim\": 2}");
    call_classes(&c, "2", (const int64_t[]){0, -1});
    fails(&c, NB_E_bad_index, 1, "/1", "-1 came");
    call_begin(&c, NB_F64, "Embedding", "{\"num_embeddings\": 5, \"embedding_dim\": 2}");
    call_input(&c, "3", V(0, 1.5, 2));
    fails(&c, NB_E_bad_index, 1, "/1", "an index is whole, from 0 to 4; 1.5 came");
    call_begin(&c, NB_F64, "Embedding", "{\"num_embeddings\": 5, \"embedding_dim\": 2}");
    call_input(&c, "3", V(0, 1, NAN));
    fails(&c, NB_E_bad_index, 1, "/2", "nan came");
}
END_TEST

START_TEST(places_out_of_range)
{
    struct call c;
    call_begin(&c, NB_F64, "Gather", "{\"dim\": 1}");
    call_input(&c, "1x3", V(1, 2, 3));
    call_classes(&c, "2", (const int64_t[]){2, 3});
    fails(&c, NB_E_bad_index, 2, "/1", "3 came");
    call_begin(&c, NB_F64, "GatherElements", "{\"dim\": 0}");
    call_input(&c, "3", V(1, 2, 3));
    call_input(&c, "2", V(2, INFINITY));
    fails(&c, NB_E_bad_index, 2, "/1", "inf came");
    call_begin(&c, NB_F64, "ScatterAdd", "{\"dim\": 0}");
    call_input(&c, "3", V(1, 2, 3));
    call_classes(&c, "1", (const int64_t[]){INT64_MIN});
    call_input(&c, "1", V(1));
    fails(&c, NB_E_bad_index, 2, "/0", "came");
}
END_TEST

START_TEST(groups_of_one)
{
    struct call c;
    call_begin(&c, NB_F64, "GroupNorm", "{\"num_groups\": 3}");
    call_input(&c, "2x3", V(1, 2, 3, 4, 5, 6));
    fails(&c, NB_E_bad_value, 1, "", "one value in each group");
    call_begin(&c, NB_F64, "InstanceNorm1d", NULL);
    call_input(&c, "2x3x1", V(1, 2, 3, 4, 5, 6));
    fails(&c, NB_E_bad_value, 1, "", "one value in each group");
}
END_TEST

/* NaN counts as the greatest, as in PyTorch. */
START_TEST(sort_with_nan)
{
    struct call c;
    call_begin(&c, (enum nb_dtype)_i, "Sort", NULL);
    call_input(&c, "5", V(NAN, 2, INFINITY, NAN, -1));
    ck_assert(!call_forward(&c));
    const double places[] = {4, 1, 2, 0, 3};
    for (size_t i = 0; i < 5; i++)
        call_near(&c.out[1], i, places[i], 0);
    call_end(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("products");
    TCase *t = tcase_create("products");
    tcase_add_loop_test(t, infers, 0, sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(t, cosine_of_a_zero_vector, NB_F32, NB_C128);
    tcase_add_loop_test(t, cosine_of_extremes, NB_F32, NB_F64);
    tcase_add_loop_test(t, attention_to_nothing, NB_F32, NB_C128);
    tcase_add_loop_test(t, group_far_from_zero, NB_F32, NB_C128);
    tcase_add_loop_test(t, sort_with_nan, NB_F32, NB_C128);
    tcase_add_test(t, normalisations_agree);
    tcase_add_test(t, instance_statistics);
    tcase_add_test(t, einsum_is_matmul);
    tcase_add_test(t, turns_of_a_row);
    tcase_add_test(t, embedding_of_no_row);
    tcase_add_test(t, places_out_of_range);
    tcase_add_test(t, groups_of_one);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
