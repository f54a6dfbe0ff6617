/* test_shapes.c - shapes of products and of the modules that move entries: what infer says with sizes known and
 * unknown, what it refuses, and where the entries go. */
#include "inference.h"

static const struct inference shapes[] = {
    /* Linear */
    {"Linear", "{\"out_features\": 3}", "Bx4", "[B, 3]"},
    {"Linear", "{\"out_features\": 3, \"in_features\": 4}", "BxTx4", "[B, T, 3]"},
    {"Linear", "{\"out_features\": 3, \"in_features\": 4}", "BxT", "[B, 3]"},
    {"Linear", "{\"out_features\": 3}", "4", "[3]"},
    {"Linear", "{\"out_features\": 3, \"in_features\": 100}", "Bx64",
     "shape_mismatch /in_features: in_features is 100, the input has 64 (shape [B, 64])"},
    {"Linear", "{\"out_features\": 3}", "BxT",
     "shape_mismatch : in_features is not given, so the last size of the input"},
    {"Linear", "{\"out_features\": 3}", "", "shape_mismatch : the input is a single number"},
    /* MatMul, by NumPy's rules */
    {"MatMul", NULL, "2x3 3x4", "[2, 4]"},
    {"MatMul", NULL, "3 3", "[]"},
    {"MatMul", NULL, "3 3x4", "[4]"},
    {"MatMul", NULL, "2x3 3", "[2]"},
    {"MatMul", NULL, "5x2x3 3x4", "[5, 2, 4]"},
    {"MatMul", NULL, "2x3 5x3x4", "[5, 2, 4]"},
    {"MatMul", NULL, "5x2x3 5x3x4", "[5, 2, 4]"},
    {"MatMul", NULL, "5x2x3 7x1x3x4", "[7, 5, 2, 4]"},
    {"MatMul", NULL, "5x2x3 3", "[5, 2]"},
    {"MatMul", NULL, "3 5x3x2", "[5, 2]"},
    {"MatMul", NULL, "BxTx3 3x4", "[B, T, 4]"},
    {"MatMul", NULL, "BxT Tx4", "[B, 4]"},
    {"MatMul", NULL, "Bx? 3x4", "[B, 4]"},
    {"MatMul", NULL, "Bx2x3 1x3xT", "[B, 2, T]"},
    {"MatMul", NULL, "5x100 64x5", "shape_mismatch : a is [5, 100], b is [64, 5]"},
    {"MatMul", NULL, "3 4", "shape_mismatch : a is [3], b is [4]"},
    {"MatMul", NULL, "5x2x3 4x3x2", "shape_mismatch : a is [5, 2, 3], b is [4, 3, 2]"},
    {"MatMul", NULL, "5x2x3 5x3", "shape_mismatch : a is [5, 2, 3], b is [5, 3]"},
    {"MatMul", NULL, " 3", "shape_mismatch : a is [], b is [3]"},
    {"Outer", NULL, "3 4", "[3, 4]"},
    {"Outer", NULL, "BxT Bx4", "[B, T, 4]"},
    {"Outer", NULL, "2x3 5x1x4", "[5, 2, 3, 4]"},
    {"Outer", NULL, "2x3 5x4", "shape_mismatch : a is [2, 3], b is [5, 4]"},
    {"Outer", NULL, "1x1x1x1x1x1x1x3 4", "shape_mismatch "},
    {"Dot", NULL, "BxT BxT", "[B]"},
    {"Dot", NULL, "5x3 3", "[5]"},
    {"Dot", NULL, "3 3", "[]"},
    {"Dot", NULL, "5x3 4", "shape_mismatch : a is [5, 3], b is [4]"},
    {"Dot", NULL, " ", "shape_mismatch "},
    /* reductions */
    {"Sum", NULL, "BxTx3", "[]"},
    {"Sum", "{\"dim\": 1}", "BxTx3", "[B, 3]"},
    {"Sum", "{\"dim\": [0, -1], \"keepdim\": true}", "BxTx3", "[1, T, 1]"},
    {"Sum", "{\"dim\": 3}", "BxTx3", "bad_argument /dim: dim is 3, wanted is -3 <= dim < 3 (the input is [B, T, 3])"},
    {"Sum", "{\"dim\": [0, 5]}", "BxTx3", "bad_argument /dim/1: dim is 5"},
    {"Sum", "{\"dim\": [1, -2]}", "BxTx3", "bad_argument /dim/1: dim names dimension 1 twice"},
    {"Sum", "{\"dim\": 0}", "", "bad_argument /dim: "},
    {"Max", "{\"dim\": 0, \"indices\": true}", "BxT", "[T] [T]"},
    {"ArgMax", NULL, "BxT", "[B]"},
    {"ArgMax", "{\"dim\": 0, \"keepdim\": true}", "BxT", "[1, T]"},
    {"Softmax", NULL, "Bx?", "[B, ?]"},
    {"Softmax", "{\"dim\": -3}", "BxT", "bad_argument /dim: "},
    {"CumSum", "{\"dim\": 1}", "BxT", "[B, T]"},
    /* Reshape */
    {"Reshape", "{\"shape\": [4, 6]}", "2x3x4", "[4, 6]"},
    {"Reshape", "{\"shape\": [-1, 6]}", "2x3x4", "[4, 6]"},
    {"Reshape", "{\"shape\": -1}", "2x3x4", "[24]"},
    {"Reshape", "{\"shape\": []}", "1x1", "[]"},
    {"Reshape", "{\"shape\": [-1]}", "", "[1]"},
    {"Reshape", "{\"shape\": [-1, 32]}", "Bx4x8", "[B, 32]"},
    {"Reshape", "{\"shape\": [\"B\", -1]}", "Bx4x8", "[B, 32]"},
    {"Reshape", "{\"shape\": [\"B\", 4, 8]}", "Bx32", "[B, 4, 8]"},
    {"Reshape", "{\"shape\": [\"T\", \"B\", -1]}", "BxTx6", "[T, B, 6]"},
    {"Reshape", "{\"shape\": [-1, 3]}", "BxTx3", "[?, 3]"},
    {"Reshape", "{\"shape\": [-1, 2]}", "Bx4", "[?, 2]"},
    {"Reshape", "{\"shape\": [\"B\", -1]}", "BxT", "[B, T]"},
    {"Reshape", "{\"shape\": [-1, 4]}", "?x4", "[?, 4]"},
    {"Reshape", "{\"shape\": [\"T\", 4]}", "Bx4", "[T, 4]"},
    {"Reshape", "{\"shape\": [20]}", "Bx4", "[20]"},
    {"Reshape", "{\"shape\": [4, 5]}", "4x6", "shape_mismatch /shape: shape is [4, 5], the input is [4, 6]"},
    {"Reshape", "{\"shape\": [-1, 5]}", "4x6", "shape_mismatch /shape: shape is [-1, 5], the input is [4, 6]"},
    {"Reshape", "{\"shape\": [\"B\", 5]}", "Bx4", "shape_mismatch /shape: shape is [B, 5], the input is [B, 4]"},
    {"Reshape", "{\"shape\": [\"B\", -1, 5]}", "Bx4", "shape_mismatch /shape: "},
    {"Reshape", "{\"shape\": [21]}", "Bx4", "shape_mismatch /shape: "},
    {"Reshape", "{\"shape\": [\"B\", 5]}", "4x6", "shape_mismatch /shape: "},
    {"Reshape", "{\"shape\": [-1, -1]}", "4x6", "bad_argument /shape/1: "},
    {"Reshape", "{\"shape\": [-2, 4]}", "4x6", "bad_argument /shape/0: "},
    {"Reshape", "{\"shape\": -7}", "4x6", "bad_argument /shape: "},
    {"Reshape", "{\"shape\": [1, 1, 1, 1, 1, 1, 1, 1, 1]}", "1", "bad_argument /shape: "},
    {"Reshape", "{\"shape\": [2000000000, 2000000000]}", "4x6", "shape_mismatch /shape: "},
    {"Reshape", "{\"shape\": [2000000000, 2000000000, -1]}", "4x6", "shape_mismatch /shape: "},
    {"Reshape", "{\"shape\": [2000000000, 2000000000, -1]}", "Bx6", "[2000000000, 2000000000, ?]"},
    {"Reshape", "{\"shape\": [0, -1]}", "Bx4", "[0, ?]"},
    {"Reshape", "{\"shape\": [0, 7]}", "5x0", "[0, 7]"},
    {"Reshape", "{\"shape\": [0, -1]}", "0x4", "[0, 4]"},
    {"Reshape", "{\"shape\": [-1, 4]}", "0x4", "[0, 4]"},
    {"Reshape", "{\"shape\": [0, -1]}", "5x4", "shape_mismatch /shape: "},
    {"Flatten", NULL, "Bx4x8", "[B, 32]"},
    {"Flatten", NULL, "BxTx8", "[B, ?]"},
    {"Flatten", NULL, "BxTx1", "[B, T]"},
    {"Flatten", "{\"start_dim\": 0}", "2x3x4", "[24]"},
    {"Flatten", "{\"start_dim\": 0, \"end_dim\": 1}", "2x3xB", "[6, B]"},
    {"Flatten", "{\"start_dim\": 2, \"end_dim\": 1}", "2x3x4", "bad_argument /end_dim: "},
    {"Flatten", NULL, "4", "bad_argument /start_dim: "},
    {"Squeeze", "{\"dim\": 1}", "Bx1x3", "[B, 3]"},
    {"Squeeze", "{\"dim\": 0}", "Bx3", "[3]"},
    {"Squeeze", "{\"dim\": -1}", "Bx3", "shape_mismatch /dim: dimension 1 has size 3"},
    {"Unsqueeze", "{\"dim\": 0}", "BxT", "[1, B, T]"},
    {"Unsqueeze", "{\"dim\": -1}", "BxT", "[B, T, 1]"},
    {"Unsqueeze", "{\"dim\": 1}", "BxT", "[B, 1, T]"},
    {"Unsqueeze", "{\"dim\": 0}", "", "[1]"},
    {"Unsqueeze", "{\"dim\": 3}", "BxT", "bad_argument /dim: dim is 3, wanted is -3 <= dim < 3"},
    {"Unsqueeze", "{\"dim\": 0}", "1x1x1x1x1x1x1x1", "shape_mismatch "},
    /* order */
    {"Transpose", NULL, "5xBxT", "[5, T, B]"},
    {"Transpose", "{\"dim0\": 0, \"dim1\": 2}", "5xBxT", "[T, B, 5]"},
    {"Transpose", NULL, "5", "bad_argument /dim0: "},
    {"Permute", "{\"dims\": [2, 0, 1]}", "5xBxT", "[T, 5, B]"},
    {"Permute", "{\"dims\": [0, 1]}", "5xBxT", "bad_argument /dims: dims names 2 dimensions, the input has 3"},
    {"Permute", "{\"dims\": [0, 1, 1]}", "5xBxT", "bad_argument /dims/2: "},
    {"Permute", "{\"dims\": [0, 1, 3]}", "5xBxT", "bad_argument /dims/2: "},
    {"Flip", "{\"dim\": [0, 1]}", "BxT", "[B, T]"},
    {"Roll", "{\"shift\": 3, \"dim\": 1}", "BxT", "[B, T]"},
    {"Roll", "{\"shift\": 3, \"dim\": 2}", "BxT", "bad_argument /dim: "},
    /* parts */
    {"Concat", NULL, "Bx3 Bx4", "[B, 7]"},
    {"Concat", NULL, "Bx3 5x4", "[5, 7]"},
    {"Concat", NULL, "?x3 Bx4", "[B, 7]"},
    {"Concat", NULL, "BxT Bx4", "[B, ?]"},
    {"Concat", "{\"dim\": 0}", "Bx3 4x3 2x3", "[?, 3]"},
    {"Concat", "{\"dim\": 0}", "1x3 4x3 2x3", "[7, 3]"},
    {"Concat", NULL, "BxT", "[B, T]"},
    {"Concat", NULL, "Bx0 BxT Bx0", "[B, T]"},
    {"Concat", NULL, "2x3 4x3", "shape_mismatch : input 0 is [2, 3], input 1 is [4, 3]"},
    {"Concat", NULL, "2x3 2", "shape_mismatch : input 0 is [2, 3], input 1 is [2]"},
    {"Concat", NULL, "?x3 2x3 4x3", "shape_mismatch : input 0 is [?, 3], input 2 is [4, 3]"},
    {"Concat", NULL, "", "bad_argument /dim: "},
    {"Split", "{\"sizes\": [1, 3], \"ports\": [\"a\", \"b\"]}", "Bx4", "[B, 1] [B, 3]"},
    {"Split", "{\"sizes\": [1, 3], \"dim\": 0, \"ports\": [\"a\", \"b\"]}", "BxT", "[1, T] [3, T]"},
    {"Split", "{\"sizes\": [2, 3], \"ports\": [\"a\", \"b\"]}", "Bx4", "shape_mismatch /sizes: sizes add up to 5 of 4"},
    {"Split", "{\"sizes\": [2, 2], \"ports\": [\"a\"]}", "Bx4", "bad_argument /ports: ports has 1 names for 2 sizes"},
    {"Split", "{\"sizes\": [2, 2], \"ports\": [\"a\", \"a\"]}", "Bx4", "name_clash /ports/1: "},
    {"Split", "{\"sizes\": [4, 0], \"ports\": [\"a\", \"b\"]}", "Bx4", "bad_argument /sizes/1: "},
    {"Split", "{\"sizes\": [9000000000000000000, 9000000000000000000], \"ports\": [\"a\", \"b\"]}", "Bx4",
     "bad_argument /sizes/1: "},
    {"Expand", "{\"shape\": [\"B\", 4]}", "4", "[B, 4]"},
    {"Expand", "{\"shape\": [3, -1, 5]}", "Bx1", "[3, B, 5]"},
    {"Expand", "{\"shape\": [7]}", "T", "[7]"},
    {"Expand", "{\"shape\": [\"B\", 5]}", "Bx4", "shape_mismatch /shape/1: size 4 of the input cannot become 5"},
    {"Expand", "{\"shape\": [4]}", "Bx4", "shape_mismatch /shape: shape has 1 dimensions"},
    {"Expand", "{\"shape\": [-1, 4]}", "4", "bad_argument /shape/0: "},
    {"Expand", "{\"shape\": [-3]}", "1", "bad_argument /shape/0: "},
    {"OneHot", "{\"num_classes\": 10}", "BxT", "[B, T, 10]"},
    {"OneHot", "{\"num_classes\": 10}", "", "[10]"},
};

START_TEST(infers)
{
    check_inference(&shapes[_i]);
}
END_TEST

/* ---- where the entries go ------------------------------------------------------------------------------------------
 */

static const struct {
    const char *type, *args, *shape;
    const double *x, *y, *g, *dx;
} moves[] = {
    {"Transpose", NULL, "2x3", V(1, 2, 3, 4, 5, 6), V(1, 4, 2, 5, 3, 6), V(1, 2, 3, 4, 5, 6), V(1, 3, 5, 2, 4, 6)},
    {"Permute", "{\"dims\": [2, 0, 1]}", "1x2x3", V(1, 2, 3, 4, 5, 6), V(1, 4, 2, 5, 3, 6), V(1, 2, 3, 4, 5, 6),
     V(1, 3, 5, 2, 4, 6)},
    {"Flip", "{\"dim\": -1}", "2x3", V(1, 2, 3, 4, 5, 6), V(3, 2, 1, 6, 5, 4), V(1, 2, 3, 4, 5, 6),
     V(3, 2, 1, 6, 5, 4)},
    {"Flip", "{\"dim\": [0, 1]}", "2x3", V(1, 2, 3, 4, 5, 6), V(6, 5, 4, 3, 2, 1), V(1, 2, 3, 4, 5, 6),
     V(6, 5, 4, 3, 2, 1)},
    {"Roll", "{\"shift\": 1, \"dim\": 0}", "4", V(1, 2, 3, 4), V(4, 1, 2, 3), V(1, 2, 3, 4), V(2, 3, 4, 1)},
    {"Roll", "{\"shift\": -6, \"dim\": 0}", "4", V(1, 2, 3, 4), V(3, 4, 1, 2), V(1, 2, 3, 4), V(3, 4, 1, 2)},
    {"Roll", "{\"shift\": 1, \"dim\": 0}", "2x2", V(1, 2, 3, 4), V(3, 4, 1, 2), V(1, 2, 3, 4), V(3, 4, 1, 2)},
    {"Roll", "{\"shift\": -4611686018427387000, \"dim\": 0}", "2", V(1, 2), V(1, 2), V(1, 2), V(1, 2)},
    {"Expand", "{\"shape\": [2, 3]}", "3", V(1, 2, 3), V(1, 2, 3, 1, 2, 3), V(1, 2, 3, 4, 5, 6), V(5, 7, 9)},
    {"Expand", "{\"shape\": [2, 3]}", "2x1", V(1, 2), V(1, 1, 1, 2, 2, 2), V(1, 2, 3, 4, 5, 6), V(6, 15)},
    {"Expand", "{\"shape\": 0}", "1", V(1), V(0), V(0), V(0)},
    {"Reshape", "{\"shape\": [3, -1]}", "2x3", V(1, 2, 3, 4, 5, 6), V(1, 2, 3, 4, 5, 6), V(6, 5, 4, 3, 2, 1),
     V(6, 5, 4, 3, 2, 1)},
};

START_TEST(moves_entries)
{
    for (int b = NB_F32; b <= NB_C128; b++) {
        struct call c;
        call_begin(&c, (enum nb_dtype)b, moves[_i].type, moves[_i].args);
        call_input(&c, moves[_i].shape, moves[_i].x);
        ck_assert(!call_forward(&c));
        call_backward(&c, moves[_i].g);
        call_same(&c.out[0], moves[_i].y);
        call_same(&c.gin[0], moves[_i].dx);
        call_end(&c);
    }
}
END_TEST

/* All 24 orders of four dimensions, some larger than a tile of the copy. */
START_TEST(permutes_in_every_order)
{
    static const int size[4] = {3, 17, 2, 35};
    enum { N = 3 * 17 * 2 * 35 };
    double x[N], want[N];
    int order[4];
    for (int code = 0; code < 256; code++) {
        char args[60];
        struct call c;
        for (int d = 0; d < 4; d++)
            order[d] = code >> 2 * d & 3;
        if ((1 << order[0] | 1 << order[1] | 1 << order[2] | 1 << order[3]) != 15)
            continue;
        for (int i = 0; i < N; i++) {
            int rest = i, index[4], at = 0;
            for (int d = 3; d >= 0; rest /= size[d--])
                index[d] = rest % size[d];
            for (int d = 0; d < 4; d++)
                at = at * size[order[d]] + index[order[d]];
            x[i] = i;
            want[at] = i;
        }
        snprintf(args, sizeof args, "{\"dims\": [%d, %d, %d, %d]}", order[0], order[1], order[2], order[3]);
        call_begin(&c, NB_F32, "Permute", args);
        call_input(&c, "3x17x2x35", x);
        ck_assert(!call_forward(&c));
        call_backward(&c, want);
        call_same(&c.out[0], want);
        call_same(&c.gin[0], x);
        call_end(&c);
    }
}
END_TEST

START_TEST(splits_and_joins)
{
    struct call c;
    call_begin(&c, NB_F64, "Split", "{\"sizes\": [1, 2], \"dim\": 1, \"ports\": [\"a\", \"b\"]}");
    call_input(&c, "2x3x2", V(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    ck_assert(!call_forward(&c));
    call_backward(&c, V(1, 2, 3, 4)); /* the second port's is 0 */
    call_same(&c.out[0], V(1, 2, 7, 8));
    call_same(&c.out[1], V(3, 4, 5, 6, 9, 10, 11, 12));
    call_same(&c.gin[0], V(1, 2, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0));
    call_end(&c);
    call_begin(&c, NB_F64, "Concat", "{\"dim\": 1}");
    call_input(&c, "2x1x2", V(1, 2, 7, 8));
    call_input(&c, "2x0x2", V(0));
    call_input(&c, "2x2x2", V(3, 4, 5, 6, 9, 10, 11, 12));
    ck_assert(!call_forward(&c));
    call_backward(&c, V(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    call_same(&c.out[0], V(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    call_same(&c.gin[0], V(1, 2, 7, 8));
    call_same(&c.gin[2], V(3, 4, 5, 6, 9, 10, 11, 12));
    call_end(&c);
}
END_TEST

START_TEST(one_hot)
{
    struct call c;
    call_begin(&c, NB_F32, "OneHot", "{\"num_classes\": 3}");
    call_classes(&c, "2x2", (int64_t[]){0, 2, 1, 2});
    ck_assert(!call_forward(&c));
    call_same(&c.out[0], V(1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1));
    call_end(&c);
    call_begin(&c, NB_F64, "OneHot", "{\"num_classes\": 3}");
    call_input(&c, "2", V(2, 0));
    ck_assert(!call_forward(&c));
    call_same(&c.out[0], V(0, 0, 1, 1, 0, 0));
    call_end(&c);
}
END_TEST

START_TEST(one_hot_refuses)
{
    static const double bad[] = {3, -1, 1.5, NAN, INFINITY, 1e300};
    struct call c;
    for (int i = 0; i < 6; i++) {
        call_begin(&c, NB_F64, "OneHot", "{\"num_classes\": 3}");
        call_input(&c, "2x3", V(0, 1, 2, 0, 1, bad[i]));
        ck_assert(call_forward(&c) == -1);
        ck_assert(c.error.code == NB_E_bad_index && c.error.port == 1);
        ck_assert_str_eq(c.error.pointer, "/1/2");
        call_end(&c);
    }
    call_begin(&c, NB_F32, "OneHot", "{\"num_classes\": 3}");
    call_classes(&c, "2", (int64_t[]){2, 3});
    ck_assert(call_forward(&c) == -1);
    ck_assert_str_eq(c.error.pointer, "/1");
    ck_assert_msg(strstr(c.error.detail, "from 0 to 2; 3 came") != NULL, "%s", c.error.detail);
    call_end(&c);
}
END_TEST

/* ---- products ------------------------------------------------------------------------------------------------------
 */

static double draw(int i)
{
    return sin(12.9898 * i + 1);
}

/* Batches broadcast against each other: every matrix by hand. */
START_TEST(matmul_broadcasts)
{
    enum { P = 2, J = 3, M = 5, K = 7, N = 4 };
    double a[P * M * K], b[J * K * N];
    struct call c;
    for (int i = 0; i < P * M * K; i++)
        a[i] = draw(i);
    for (int i = 0; i < J * K * N; i++)
        b[i] = draw(i + 500);
    call_begin(&c, NB_F64, "MatMul", NULL);
    call_input(&c, "2x1x5x7", a);
    call_input(&c, "3x7x4", b);
    ck_assert(!call_forward(&c));
    ck_assert_int_eq(c.out[0].shape.rank, 4);
    for (int i = 0; i < P * J * M * N; i++) {
        int n = i % N, m = i / N % M, j = i / N / M % J, k = i / N / M / J;
        double want = 0;
        for (int p = 0; p < K; p++)
            want += a[(k * M + m) * K + p] * b[(j * K + p) * N + n];
        ck_assert_double_eq_tol(call_at(&c.out[0], (size_t)i), want, 1e-14);
    }
    call_end(&c);
}
END_TEST

START_TEST(matmul_vectors)
{
    struct call c;
    call_begin(&c, NB_F64, "MatMul", NULL);
    call_input(&c, "2", V(1, 2));
    call_input(&c, "2x3", V(1, 2, 3, 4, 5, 6));
    ck_assert(!call_forward(&c));
    call_backward(&c, V(1, 0, -1));
    call_same(&c.out[0], V(9, 12, 15));
    call_same(&c.gin[0], V(-2, -2));
    call_same(&c.gin[1], V(1, 0, -1, 2, 0, -2));
    call_end(&c);
    call_begin(&c, NB_F64, "MatMul", NULL);
    call_input(&c, "2x0", V(0));
    call_input(&c, "0x2", V(0));
    ck_assert(!call_forward(&c));
    call_same(&c.out[0], V(0, 0, 0, 0));
    call_end(&c);
    call_begin(&c, NB_F64, "Outer", NULL);
    call_input(&c, "2", V(1, 2));
    call_input(&c, "3", V(3, 4, 5));
    ck_assert(!call_forward(&c));
    call_backward(&c, V(1, 0, 0, 0, 0, 1));
    call_same(&c.out[0], V(3, 4, 5, 6, 8, 10));
    call_same(&c.gin[0], V(3, 5));
    call_same(&c.gin[1], V(1, 0, 2));
    call_end(&c);
    call_begin(&c, NB_F64, "Dot", NULL);
    call_input(&c, "2x2", V(1, 2, 3, 4));
    call_input(&c, "2", V(5, 6));
    ck_assert(!call_forward(&c));
    call_backward(&c, V(1, -1));
    call_same(&c.out[0], V(17, 39));
    call_same(&c.gin[0], V(5, 6, -5, -6));
    call_same(&c.gin[1], V(-2, -2));
    call_end(&c);
}
END_TEST

START_TEST(linear_closed_form)
{
    static const double w[] = {1, 2, 3, 4, 5, 6}, bias[] = {10, 20, 30};
    for (int b = NB_F32; b <= NB_C128; b++) {
        struct call c;
        call_begin(&c, (enum nb_dtype)b, "Linear", "{\"out_features\": 3}");
        call_input(&c, "2x2", V(1, 2, -1, 0));
        ck_assert(!call_infer(&c));
        ck_assert_str_eq(c.infer.w[0].name, "weight");
        ck_assert_str_eq(c.infer.w[1].name, "bias");
        ck_assert(c.infer.w[0].init.kind == NB_INIT_UNIFORM && c.infer.w[0].init.b == 1 / sqrt(2));
        ck_assert(c.infer.w[1].init.a == -1 / sqrt(2));
        for (size_t i = 0; i < 6; i++)
            call_set(&c.w[0], i, w[i]);
        for (size_t i = 0; i < 3; i++)
            call_set(&c.w[1], i, bias[i]);
        ck_assert(!call_run(&c));
        call_backward(&c, V(1, 0, -1, 0, 2, 0));
        call_same(&c.out[0], V(15, 31, 47, 9, 17, 25));
        call_same(&c.gin[0], V(-4, -4, 6, 8));
        call_same(&c.gw[0], V(1, 2, -2, 0, -1, -2));
        call_same(&c.gw[1], V(1, 2, -1));
        call_end(&c);
    }
}
END_TEST

/* <dW, W> = <dx, x> = <g, x W'> */
START_TEST(linear_identity)
{
    enum { ROWS = 7, IN = 33, OUT = 17 };
    double x[ROWS * IN], g[ROWS * OUT], dw = 0, dx = 0, gy = 0;
    struct call c;
    for (int i = 0; i < ROWS * IN; i++)
        x[i] = draw(i);
    for (int i = 0; i < ROWS * OUT; i++)
        g[i] = draw(i + 700);
    call_begin(&c, NB_F64, "Linear", "{\"out_features\": 17, \"bias\": false}");
    call_input(&c, "7x33", x);
    ck_assert(!call_infer(&c));
    for (size_t i = 0; i < OUT * IN; i++)
        call_set(&c.w[0], i, draw((int)i + 3000));
    ck_assert(!call_run(&c));
    call_backward(&c, g);
    for (size_t i = 0; i < OUT * IN; i++)
        dw += call_at(&c.gw[0], i) * call_at(&c.w[0], i);
    for (size_t i = 0; i < ROWS * IN; i++)
        dx += call_at(&c.gin[0], i) * x[i];
    for (size_t i = 0; i < ROWS * OUT; i++)
        gy += call_at(&c.out[0], i) * g[i];
    ck_assert_double_eq_tol(dw, gy, 1e-12);
    ck_assert_double_eq_tol(dx, gy, 1e-12);
    call_end(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shapes");
    TCase *t = tcase_create("shapes");
    tcase_add_loop_test(t, infers, 0, sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(t, moves_entries, 0, sizeof moves / sizeof *moves);
    tcase_add_test(t, permutes_in_every_order);
    tcase_add_test(t, splits_and_joins);
    tcase_add_test(t, one_hot);
    tcase_add_test(t, one_hot_refuses);
    tcase_add_test(t, matmul_broadcasts);
    tcase_add_test(t, matmul_vectors);
    tcase_add_test(t, linear_closed_form);
    tcase_add_test(t, linear_identity);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
