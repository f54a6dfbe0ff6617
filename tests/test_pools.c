/* test_pools.c - pools, unpooling and upsampling, and the modules that cut, pad and rearrange: shapes with symbols,
 * what is refused and where, closed forms, and identities that hold to the last bit. */
#include "inference.h"
#include "check/check.h"
#include "graphs.h"

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static const struct inference shapes[] = {
    {"MaxPool1d", "{\"kernel_size\": 2}", "BxTx8", "[B, T, 4]"},
    {"MaxPool1d", "{\"kernel_size\": 2}", "3x9", "[3, 4]"},
    {"MaxPool1d", "{\"kernel_size\": 2, \"ceil_mode\": true}", "3x9", "[3, 5]"},
    {"MaxPool1d", "{\"kernel_size\": 3, \"stride\": 1, \"padding\": 1}", "BxCxT", "[B, ?, T]"},
    {"MaxPool1d", "{\"kernel_size\": 2}", "Bx3xT", "[B, 3, ?]"},
    {"MaxPool2d", "{\"kernel_size\": 2, \"return_indices\": true}", "Bx3x6x8", "[B, 3, 3, 4] [B, 3, 3, 4]"},
    {"MaxPool2d", "{\"kernel_size\": [3, 2], \"stride\": [2, 1], \"padding\": [1, 0]}", "Bx3x5x7", "[B, 3, 3, 6]"},
    {"MaxPool2d", "{\"kernel_size\": 3, \"dilation\": 2, \"stride\": 1}", "2x5x5", "[2, 1, 1]"},
    {"MaxPool2d", "{\"kernel_size\": 3, \"padding\": 1, \"ceil_mode\": true, \"stride\": 2}", "2x6x8", "[2, 4, 5]"},
    {"MaxPool3d", "{\"kernel_size\": 2}", "BxTx4x5x6", "[B, T, 2, 2, 3]"},
    {"AvgPool2d", "{\"kernel_size\": 2, \"stride\": 3, \"ceil_mode\": true}", "Bx2x7x4", "[B, 2, 3, 2]"},
    {"AvgPool2d", "{\"kernel_size\": 3, \"stride\": 1, \"padding\": 1}", "Bx2xTxT", "[B, 2, T, T]"},
    {"LPPool1d", "{\"norm_type\": 2, \"kernel_size\": 3}", "Bx2x7", "[B, 2, 2]"},
    {"AdaptiveAvgPool2d", "{\"output_size\": [3, 5]}", "BxTx?x?", "[B, T, 3, 5]"},
    {"AdaptiveMaxPool1d", "{\"output_size\": 3, \"return_indices\": true}", "Bx2xT", "[B, 2, 3] [B, 2, 3]"},
    {"GlobalAvgPool", NULL, "BxTx5", "[B, T, 1]"},
    {"GlobalMaxPool", NULL, "Bx4xTx3x?", "[B, 4, 1, 1, 1]"},
    {"MaxUnpool1d", "{\"kernel_size\": 2}", "Bx3x4 Bx3x4", "[B, 3, 8]"},
    {"MaxUnpool1d", "{\"kernel_size\": 2}", "Bx3xT Bx3x?", "[B, 3, ?]"},
    {"MaxUnpool2d", "{\"kernel_size\": 2, \"output_size\": [7, 9]}", "Bx3x3x4 Bx3x3x4", "[B, 3, 7, 9]"},
    {"MaxUnpool2d", "{\"kernel_size\": 3, \"stride\": 2, \"padding\": 1}", "3x3x4 3x3x4", "[3, 5, 7]"},
    {"Upsample", "{\"scale_factor\": 2}", "Bx3x4xT", "[B, 3, 8, ?]"},
    {"Upsample", "{\"scale_factor\": [1, 2.5]}", "Bx3xTx5", "[B, 3, T, 12]"},
    {"Upsample", "{\"size\": [3, 4], \"mode\": \"bilinear\"}", "Bx3xTxT", "[B, 3, 3, 4]"},
    /* refused */
    {"MaxPool1d", "{\"kernel_size\": 9}", "Bx3x8",
     "shape_mismatch /kernel_size: the kernel covers 9 entries, the padded input has 8"},
    {"MaxPool2d", "{\"kernel_size\": [2, 3], \"dilation\": [1, 4]}", "Bx3x8x8",
     "shape_mismatch /kernel_size/1: the kernel covers 9 entries, the padded input has 8"},
    {"AvgPool2d", "{\"kernel_size\": [9, 2], \"padding\": [0, 1]}", "3x8x8", "shape_mismatch /kernel_size/0: "},
    {"MaxPool1d", "{\"kernel_size\": 2147483647, \"dilation\": 2147483647, \"padding\": 1073741823}", "3x8",
     "shape_mismatch /kernel_size: "},
    {"MaxPool1d", "{\"kernel_size\": 3, \"padding\": 2}", "Bx3xT",
     "bad_argument /padding: padding is 2, at most half of the kernel's size, 3, is allowed"},
    {"AvgPool2d", "{\"kernel_size\": 2, \"padding\": [1, 2]}", "3x8x8", "bad_argument /padding/1: "},
    {"MaxPool2d", "{\"kernel_size\": [2, 2, 2]}", "3x8x8",
     "bad_argument /kernel_size: kernel_size has 3 numbers, wanted is one, or 2"},
    {"MaxPool2d", "{\"kernel_size\": 2, \"stride\": []}", "3x8x8", "[3, 4, 4]"},
    {"MaxPool1d", "{\"kernel_size\": 2, \"stride\": [1, 2]}", "3x8", "bad_argument /stride: "},
    {"AdaptiveAvgPool2d", "{\"output_size\": [1, 2, 3]}", "3x8x8", "bad_argument /output_size: "},
    {"MaxPool2d", "{\"kernel_size\": 2}", "8x8",
     "shape_mismatch : the input is [8, 8], wanted is [C, H, W] or [N, C, H, W]"},
    {"MaxPool1d", "{\"kernel_size\": 2}", "2x3x4x5", "shape_mismatch : the input is "},
    {"AdaptiveMaxPool1d", "{\"output_size\": 2}", "2x3x0", "shape_mismatch : the input is [2, 3, 0]: there is nothing"},
    {"GlobalAvgPool", NULL, "2x3", "shape_mismatch : the input is [2, 3], wanted is [N, C, ...]"},
    {"GlobalMaxPool", NULL, "2x3x0", "shape_mismatch : the input is [2, 3, 0]"},
    {"MaxUnpool1d", "{\"kernel_size\": 2}", "2x3x4 2x3x5", "shape_mismatch : input is [2, 3, 4], indices is [2, 3, 5]"},
    {"MaxUnpool1d", "{\"kernel_size\": 2, \"output_size\": 10}", "2x3x4 2x3x4",
     "bad_argument /output_size: output_size is 10, wanted is 6 < output_size < 10"},
    {"MaxUnpool2d", "{\"kernel_size\": 2, \"output_size\": [7, 6]}", "3x4x4 3x4x4", "bad_argument /output_size/1: "},
    {"MaxUnpool2d", "{\"kernel_size\": 2, \"padding\": 1}", "3x1x4 3x1x4", "shape_mismatch /padding: "},
    {"MaxUnpool2d", "{\"kernel_size\": 2, \"padding\": 2}", "3x4x4 3x4x4", "bad_argument /padding: "},
    {"Upsample", "{\"scale_factor\": 0.1}", "2x3x5",
     "shape_mismatch /scale_factor: scale_factor 0.1 leaves nothing of 5 entries"},
    {"Upsample", "{\"scale_factor\": [2, 0.1]}", "2x3x5x5", "shape_mismatch /scale_factor/1: "},
    {"Upsample", "{\"scale_factor\": [2, 2]}", "2x3x5", "bad_argument /scale_factor: "},
    {"Upsample", "{\"scale_factor\": 2, \"size\": 3}", "2x3x5",
     "bad_argument /scale_factor: wanted is one of size and scale_factor, both came"},
    {"Upsample", NULL, "2x3x5", "bad_argument /size: wanted is one of size and scale_factor, neither came"},
    {"Upsample", "{\"size\": 3, \"mode\": \"bilinear\"}", "2x3x5",
     "bad_argument /mode: bilinear is for 2 dimensions of space, the input has 1"},
    {"Upsample", "{\"size\": 3, \"align_corners\": true}", "2x3x5", "bad_argument /align_corners: "},
    {"Upsample", "{\"size\": 3}", "3x5", "shape_mismatch : the input is [3, 5], wanted is [N, C, L]"},
    /* what cuts, pads and rearranges */
    {"Pad", "{\"pads\": [1, 2]}", "Bx5", "[B, 8]"},
    {"Pad", "{\"pads\": [1, 2, 0, 3]}", "BxTx5", "[B, ?, 8]"},
    {"Pad", "{\"pads\": [1, -1, 0, 0]}", "BxT", "[B, T]"},
    {"Pad", "{\"pads\": []}", "BxT", "[B, T]"},
    {"Pad", "{\"pads\": [-2, -2]}", "Bx4", "[B, 0]"},
    {"Pad", "{\"pads\": [2, 2], \"mode\": \"reflect\"}", "Bx3", "[B, 7]"},
    {"Pad", "{\"pads\": [3, 2], \"mode\": \"circular\"}", "Bx3", "[B, 8]"},
    {"Pad", "{\"pads\": [9, 0], \"mode\": \"replicate\"}", "Bx1", "[B, 10]"},
    {"Pad", "{\"pads\": 1}", "Bx4", "bad_argument /pads: pads has 1 numbers, wanted are pairs"},
    {"Pad", "{\"pads\": [0, 0, 1, 1, 2, 2]}", "Bx4", "bad_argument /pads: pads has 6 numbers"},
    {"Pad", "{\"pads\": [-5, 0]}", "Bx4", "shape_mismatch /pads/0: dimension 1 has 4 entries, fewer than are cut off"},
    {"Pad", "{\"pads\": [9, -5]}", "Bx4", "shape_mismatch /pads/1: "},
    {"Pad", "{\"pads\": [0, 3], \"mode\": \"reflect\"}", "Bx3",
     "shape_mismatch /pads/1: a pad is 3; reflect has at most 2 for 3 entries"},
    {"Pad", "{\"pads\": [4, 0], \"mode\": \"circular\"}", "Bx3",
     "shape_mismatch /pads/0: a pad is 4; circular has at most 3"},
    {"Pad", "{\"pads\": [0, 0, 0, -1], \"mode\": \"replicate\"}", "TxB",
     "bad_argument /pads/3: a pad is -1; only the mode constant can cut"},
    {"Pad", "{\"pads\": [0, 1], \"mode\": \"replicate\"}", "Bx0", "shape_mismatch /pads/1: "},
    {"Tile", "{\"dims\": [2, 3]}", "Bx5", "[?, 15]"},
    {"Tile", "{\"dims\": 3}", "BxT", "[B, ?]"},
    {"Tile", "{\"dims\": [2, 1, 1]}", "BxT", "[2, B, T]"},
    {"Tile", "{\"dims\": 0}", "Bx3", "[B, 0]"},
    {"Tile", "{\"dims\": [1, 1, 1, 1, 1, 1, 1, 1, 1]}", "3", "bad_argument /dims: "},
    {"Slice", "{\"dim\": 1, \"start\": 1, \"end\": 3}", "Bx5", "[B, 2]"},
    {"Slice", "{\"dim\": -1, \"start\": -2}", "Bx5", "[B, 2]"},
    {"Slice", "{\"dim\": 1, \"step\": 2}", "Bx5", "[B, 3]"},
    {"Slice", "{\"dim\": 1, \"start\": 9, \"end\": -9, \"step\": -2}", "Bx5", "[B, 3]"},
    {"Slice", "{\"dim\": 1, \"start\": 3, \"end\": 1}", "Bx5", "[B, 0]"},
    {"Slice", "{\"dim\": 0, \"step\": -1}", "Bx5", "[B, 5]"},
    {"Slice", "{\"dim\": 0, \"end\": -1}", "Bx5", "[?, 5]"},
    {"Slice", "{\"dim\": 1, \"start\": 0, \"end\": 9223372036854775807, \"step\": 9223372036854775807}", "Bx5",
     "[B, 1]"},
    {"Slice", "{\"dim\": 1, \"step\": -4000000000000000000}", "Bx5", "[B, 1]"},
    {"Slice", "{\"dim\": 1, \"step\": 0}", "Bx5", "bad_argument /step: "},
    {"Slice", "{\"dim\": 2}", "Bx5", "bad_argument /dim: dim is 2"},
    {"Select", "{\"dim\": 1, \"index\": -1}", "Bx5xT", "[B, T]"},
    {"Select", "{\"dim\": 0, \"index\": 7}", "Bx5", "[5]"},
    {"Select", "{\"dim\": 0, \"index\": 0}", "3", "[]"},
    {"Select", "{\"dim\": 1, \"index\": 5}", "Bx5",
     "bad_argument /index: index is 5, dimension 1 has 5 entries (the input is [B, 5])"},
    {"Select", "{\"dim\": 1, \"index\": -6}", "Bx5", "bad_argument /index: "},
    {"Select", "{\"dim\": 0, \"index\": 0}", "", "bad_argument /dim: "},
    {"Stack", NULL, "Bx5 3x5", "[2, 3, 5]"},
    {"Stack", "{\"dim\": -1}", "BxT ?xT BxT", "[B, T, 3]"},
    {"Stack", "{\"dim\": 1}", "B B", "[B, 2]"},
    {"Stack", NULL, "3x5 3x4", "shape_mismatch : input 0 is [3, 5], input 1 is [3, 4]: the shapes differ"},
    {"Stack", NULL, "3x5 3", "shape_mismatch : "},
    {"Stack", "{\"dim\": 3}", "3x5", "bad_argument /dim: "},
    {"Stack", NULL, "1x1x1x1x1x1x1x1", "shape_mismatch : "},
    {"Unfold", "{\"kernel_size\": [2, 3]}", "Bx3x5x7", "[B, 18, 20]"},
    {"Unfold", "{\"kernel_size\": 2}", "BxTx5x?", "[B, ?, ?]"},
    {"Unfold", "{\"kernel_size\": 2, \"padding\": 5}", "3x2x2", "[12, 121]"},
    {"Unfold", "{\"kernel_size\": [2, 8]}", "3x5x7",
     "shape_mismatch /kernel_size/1: the kernel covers 8 entries, the padded image has 7"},
    {"Unfold", "{\"kernel_size\": 2}", "5x7", "shape_mismatch : the input is [5, 7]"},
    {"Fold", "{\"output_size\": [5, 7], \"kernel_size\": [2, 3]}", "Bx18x20", "[B, 3, 5, 7]"},
    {"Fold", "{\"output_size\": [5, 7], \"kernel_size\": [2, 3]}", "BxTx?", "[B, ?, 5, 7]"},
    {"Fold", "{\"output_size\": [5, 7], \"kernel_size\": [2, 3]}", "Bx17x20",
     "shape_mismatch /kernel_size: the input has 17 rows"},
    {"Fold", "{\"output_size\": [5, 7], \"kernel_size\": [2, 3]}", "Bx18x21",
     "shape_mismatch /output_size: the input has 21 columns, there are 4 x 5 windows"},
    {"Fold", "{\"output_size\": [1, 7], \"kernel_size\": [2, 3]}", "Bx18x20", "shape_mismatch /kernel_size/0: "},
    {"Fold", "{\"output_size\": 4, \"kernel_size\": 2}", "18", "shape_mismatch : the input is [18]"},
    {"Fold", "{\"output_size\": 4, \"kernel_size\": 2147483647, \"padding\": 2147483647}", "3x4",
     "shape_mismatch /kernel_size: "},
    {"PixelShuffle", "{\"upscale_factor\": 2}", "Bx12x3xT", "[B, 3, 6, ?]"},
    {"PixelShuffle", "{\"upscale_factor\": 1}", "BxTxTx5", "[B, T, T, 5]"},
    {"PixelShuffle", "{\"upscale_factor\": 2}", "Bx6x3x3",
     "shape_mismatch /upscale_factor: the number of channels is 6, which is no multiple of 4"},
    {"PixelShuffle", "{\"upscale_factor\": 2}", "4x3", "shape_mismatch : the input is [4, 3]"},
    {"SpaceToDepth", "{\"blocksize\": 2}", "Bx3x6xT", "[B, 12, 3, ?]"},
    {"SpaceToDepth", "{\"blocksize\": 4}", "Bx3x8x6",
     "shape_mismatch /blocksize: the width is 6, which is no multiple of 4"},
    {"Tril", NULL, "BxTx4", "[B, T, 4]"},
    {"Triu", NULL, "4", "shape_mismatch : the input is [4], wanted are matrices"},
};

START_TEST(infers)
{
    check_inference(&shapes[_i]);
}
END_TEST

/* ---- closed forms ------------------------------------------------------------------------------------------------ */

/* g and dx may be left out. All three builds. */
static const struct {
    const char *type, *args, *shape;
    const double *x, *y, *g, *dx;
} exact[] = {
    {"MaxPool1d", "{\"kernel_size\": 2, \"stride\": 1, \"padding\": 1}", "1x3", V(1, 3, 3), V(1, 3, 3, 3),
     V(1, 2, 4, 8), V(1, 6, 8)},
    {"MaxPool1d", "{\"kernel_size\": 2, \"dilation\": 3, \"padding\": 1, \"stride\": 1}", "1x3", V(1, 2, 3), V(3, 1),
     V(5, 7), V(7, 0, 5)},
    {"MaxPool1d", "{\"kernel_size\": 2, \"dilation\": 3, \"padding\": 1}", "1x2", V(1, 2), V(-INFINITY), V(5), V(0, 0)},
    {"AvgPool1d", "{\"kernel_size\": 2, \"stride\": 1, \"padding\": 1}", "1x3", V(2, 4, 8), V(1, 3, 6, 4),
     V(2, 4, 6, 8), V(3, 5, 7)},
    {"AvgPool1d", "{\"kernel_size\": 2, \"stride\": 1, \"padding\": 1, \"count_include_pad\": false}", "1x3",
     V(2, 4, 8), V(2, 3, 6, 8), V(2, 4, 6, 8), V(4, 5, 11)},
    {"LPPool1d", "{\"norm_type\": 2, \"kernel_size\": 2}", "1x4", V(3, -4, 0, 0), V(5, 0), V(5, 1), V(3, -4, 0, 0)},
    {"AdaptiveAvgPool1d", "{\"output_size\": 2}", "1x3", V(2, 4, 8), V(3, 6), V(2, 4), V(1, 3, 2)},
    {"GlobalMaxPool", NULL, "1x1x2x2", V(1, 7, 7, 2), V(7), V(3), V(0, 3, 0, 0)},
    {"Upsample", "{\"scale_factor\": 2}", "1x1x3", V(1, 2, 4), V(1, 1, 2, 2, 4, 4), V(1, 2, 4, 8, 16, 32),
     V(3, 12, 48)},
    {"Upsample", "{\"scale_factor\": 2, \"mode\": \"linear\"}", "1x1x2", V(4, 8), V(4, 5, 7, 8), V(4, 8, 16, 32),
     V(14, 46)},
    {"Upsample", "{\"size\": 3, \"mode\": \"linear\", \"align_corners\": true}", "1x1x2", V(4, 8), V(4, 6, 8),
     V(1, 2, 4), V(2, 5)},
    {"Pad", "{\"pads\": [2, 1], \"mode\": \"reflect\"}", "3", V(1, 2, 4), V(4, 2, 1, 2, 4, 2), V(1, 2, 4, 8, 16, 32),
     V(4, 42, 17)},
    {"Pad", "{\"pads\": [2, 1], \"mode\": \"circular\"}", "3", V(1, 2, 4), V(2, 4, 1, 2, 4, 1), V(1, 2, 4, 8, 16, 32),
     V(36, 9, 18)},
    {"Pad", "{\"pads\": [2, 1], \"mode\": \"replicate\"}", "3", V(1, 2, 4), V(1, 1, 1, 2, 4, 4), V(1, 2, 4, 8, 16, 32),
     V(7, 8, 48)},
    {"Pad", "{\"pads\": [-1, 1, 1, 0], \"value\": 9}", "2x2", V(1, 2, 3, 4), V(9, 9, 2, 9, 4, 9), V(1, 2, 4, 8, 16, 32),
     V(0, 4, 0, 16)},
    {"Pad", "{\"pads\": []}", "", V(3), V(3), V(5), V(5)},
    {"Tile", "{\"dims\": [2, 2]}", "2", V(1, 2), V(1, 2, 1, 2, 1, 2, 1, 2), V(1, 2, 3, 4, 5, 6, 7, 8), V(16, 20)},
    {"Tile", "{\"dims\": [0, 2]}", "2", V(1, 2), V(0), V(0), V(0, 0)},
    {"Slice", "{\"dim\": 0, \"start\": -1, \"step\": -2}", "4", V(1, 2, 3, 4), V(4, 2), V(5, 7), V(0, 7, 0, 5)},
    {"Slice", "{\"dim\": 1, \"start\": 1, \"end\": -1}", "2x3", V(1, 2, 3, 4, 5, 6), V(2, 5), V(7, 8),
     V(0, 7, 0, 0, 8, 0)},
    {"Slice", "{\"dim\": 0, \"start\": 3, \"end\": 1}", "4", V(1, 2, 3, 4), V(0), V(0), V(0, 0, 0, 0)},
    {"Select", "{\"dim\": 1, \"index\": -2}", "2x3", V(1, 2, 3, 4, 5, 6), V(2, 5), V(7, 8), V(0, 7, 0, 0, 8, 0)},
    {"Select", "{\"dim\": 0, \"index\": 1}", "3", V(1, 2, 3), V(2), V(7), V(0, 7, 0)},
    {"Unfold", "{\"kernel_size\": [1, 2], \"padding\": [0, 1]}", "1x1x2", V(1, 2), V(0, 1, 2, 1, 2, 0),
     V(1, 2, 4, 8, 16, 32), V(10, 20)},
    {"Fold", "{\"output_size\": [1, 2], \"kernel_size\": [1, 2], \"padding\": [0, 1]}", "2x3", V(1, 2, 4, 8, 16, 32),
     V(10, 20), V(3, 5), V(0, 3, 5, 3, 5, 0)},
    {"PixelShuffle", "{\"upscale_factor\": 2}", "4x1x2", V(1, 2, 3, 4, 5, 6, 7, 8), V(1, 3, 2, 4, 5, 7, 6, 8),
     V(1, 2, 3, 4, 5, 6, 7, 8), V(1, 3, 2, 4, 5, 7, 6, 8)},
    {"SpaceToDepth", "{\"blocksize\": 2}", "1x2x4", V(1, 3, 2, 4, 5, 7, 6, 8), V(1, 2, 3, 4, 5, 6, 7, 8),
     V(1, 2, 3, 4, 5, 6, 7, 8), V(1, 3, 2, 4, 5, 7, 6, 8)},
    {"Tril", "{\"diagonal\": 1}", "3x3", V(1, 2, 3, 4, 5, 6, 7, 8, 9), V(1, 2, 0, 4, 5, 6, 7, 8, 9),
     V(9, 8, 7, 6, 5, 4, 3, 2, 1), V(9, 8, 0, 6, 5, 4, 3, 2, 1)},
    {"Triu", "{\"diagonal\": 1}", "3x3", V(1, 2, 3, 4, 5, 6, 7, 8, 9), V(0, 2, 3, 0, 0, 6, 0, 0, 0),
     V(9, 8, 7, 6, 5, 4, 3, 2, 1), V(0, 8, 7, 0, 0, 4, 0, 0, 0)},
    {"Tril", "{\"diagonal\": -2000000000}", "2x2", V(1, 2, 3, 4), V(0, 0, 0, 0), V(1, 1, 1, 1), V(0, 0, 0, 0)},
    {"Triu", "{\"diagonal\": -2000000000}", "2x2", V(1, 2, 3, 4), V(1, 2, 3, 4), V(1, 1, 1, 1), V(1, 1, 1, 1)},
};

START_TEST(is_exact)
{
    for (int b = NB_F32; b <= NB_C128; b++) {
        struct call c;
        call_begin(&c, (enum nb_dtype)b, exact[_i].type, exact[_i].args);
        call_input(&c, exact[_i].shape, exact[_i].x);
        ck_assert_msg(!call_forward(&c), "%s: %s", exact[_i].type, c.error.detail);
        call_same(&c.out[0], exact[_i].y);
        if (exact[_i].g) {
            call_backward(&c, exact[_i].g);
            call_same(&c.gin[0], exact[_i].dx);
        }
        call_end(&c);
    }
}
END_TEST

/* ---- unpooling --------------------------------------------------------------------------------------------------- */

enum { MOST = 4096 };

static void drawn(double *x, size_t n, uint64_t seed)
{
    struct nb_stream s = nb_stream_of((struct nb_seed){seed, 1}, "pools");
    for (size_t i = 0; i < n; i++)
        x[i] = ldexp(floor(ldexp(nb_uniform(s, i), 12)), -10) - 2; /* many ties, and whole in float */
}

static void read_all(const struct nb_tensor *t, double *to)
{
    for (size_t i = 0; i < (size_t)nb_count(&t->shape); i++)
        to[i] = call_at(t, i);
}

/* Pools x of this shape; the values go to y, the places to j, the gradient of g to dx. */
static size_t pooled(int dims, enum nb_dtype b, const char *args, const char *shape, const double *x, double *y,
                     double *j, const double *g, double *dx)
{
    char type[20], all[200];
    struct call c;
    snprintf(type, sizeof type, "MaxPool%dd", dims);
    snprintf(all, sizeof all, "{%s, \"return_indices\": true}", args);
    call_begin(&c, b, type, all);
    call_input(&c, shape, x);
    ck_assert(!call_forward(&c));
    read_all(&c.out[0], y);
    read_all(&c.out[1], j);
    call_backward(&c, g ? g : y);
    read_all(&c.gin[0], dx);
    size_t n = (size_t)nb_count(&c.out[0].shape);
    call_end(&c);
    return n;
}

static const struct {
    int dims;
    const char *args, *unpool, *shape, *small;
    bool apart; /* windows do not overlap */
} undone[] = {
    {1, "\"kernel_size\": 2", "", "2x3x8", "2x3x4", true},
    {1, "\"kernel_size\": 3, \"stride\": 2, \"padding\": 1", ", \"output_size\": 12", "5x12", "5x6", false},
    {2, "\"kernel_size\": 2", "", "2x3x6x8", "2x3x3x4", true},
    {2, "\"kernel_size\": [3, 2]", ", \"output_size\": [7, 9]", "4x7x9", "4x2x4", true},
    {2, "\"kernel_size\": 3, \"stride\": 1, \"padding\": 1", "", "2x2x7x5", "2x2x7x5", false},
    {3, "\"kernel_size\": [1, 2, 3]", "", "2x2x3x4x6", "2x2x3x2x2", true},
};

/* Unpooling is the backward of pooling with the pooled values as its cotangent, to the last bit; and pooling what was
 * unpooled gives it back, if it is not negative and windows do not overlap. */
START_TEST(unpooling_undoes_pooling)
{
    double x[MOST], y[MOST], j[MOST], dx[MOST], back[MOST], unused[MOST], z[MOST];
    for (int b = NB_F32; b <= NB_F64; b++) {
        char type[20], args[200];
        struct call c;
        drawn(x, MOST, 77 + (uint64_t)_i);
        size_t n = pooled(undone[_i].dims, (enum nb_dtype)b, undone[_i].args, undone[_i].shape, x, y, j, NULL, dx);
        snprintf(type, sizeof type, "MaxUnpool%dd", undone[_i].dims);
        snprintf(args, sizeof args, "{%s%s}", undone[_i].args, undone[_i].unpool);
        for (int round = 0; round < 2; round++) { /* the values of the pool, then their squares */
            call_begin(&c, (enum nb_dtype)b, type, args);
            call_input(&c, undone[_i].small, y);
            call_input(&c, undone[_i].small, j);
            ck_assert_msg(!call_forward(&c), "%s", c.error.detail);
            if (round == 0)
                call_same(&c.out[0], dx);
            read_all(&c.out[0], back);
            call_backward(&c, x);
            for (size_t i = 0; i < n && undone[_i].apart && round == 0; i++)
                ck_assert_msg(call_at(&c.gin[0], i) == y[i], "%s: gathers something else", type);
            for (size_t i = 0; i < n; i++)
                ck_assert(call_at(&c.gin[1], i) == 0);
            call_end(&c);
            if (round == 1 && undone[_i].apart) {
                pooled(undone[_i].dims, (enum nb_dtype)b, undone[_i].args, undone[_i].shape, back, z, j, NULL, unused);
                for (size_t i = 0; i < n; i++)
                    ck_assert_msg(z[i] == y[i], "%s, entry %zu: %g, wanted is %g", type, i, z[i], y[i]);
            }
            for (size_t i = 0; i < n; i++)
                y[i] *= y[i];
        }
    }
}
END_TEST

/* Of one shape, along a new dimension. */
START_TEST(stacks)
{
    struct call c;
    call_begin(&c, NB_F64, "Stack", "{\"dim\": 1}");
    call_input(&c, "2x2", V(1, 2, 3, 4));
    call_input(&c, "2x2", V(5, 6, 7, 8));
    ck_assert(!call_forward(&c));
    call_backward(&c, V(1, 2, 3, 4, 5, 6, 7, 8));
    call_same(&c.out[0], V(1, 2, 5, 6, 3, 4, 7, 8));
    call_same(&c.gin[0], V(1, 2, 5, 6));
    call_same(&c.gin[1], V(3, 4, 7, 8));
    call_end(&c);
}
END_TEST

START_TEST(bad_indices)
{
    static const double bad[] = {8, -1, 0.5, NAN, INFINITY, -INFINITY, 1e300};
    struct call c;
    for (int i = 0; i < 7; i++) {
        call_begin(&c, NB_F64, "MaxUnpool1d", "{\"kernel_size\": 2}");
        call_input(&c, "2x4", V(1, 2, 3, 4, 5, 6, 7, 8));
        call_input(&c, "2x4", V(0, 2, 4, 6, 1, 3, bad[i], 7));
        ck_assert(call_forward(&c) == -1);
        ck_assert(c.error.code == NB_E_bad_index && c.error.port == 2);
        ck_assert_str_eq(c.error.pointer, "/1/2");
        call_end(&c);
    }
    call_begin(&c, NB_F32, "MaxUnpool2d", "{\"kernel_size\": 2}");
    call_input(&c, "1x1x2", V(1, 2));
    call_classes(&c, "1x1x2", (int64_t[]){3, 8});
    ck_assert(call_forward(&c) == -1);
    ck_assert_str_eq(c.error.pointer, "/0/0/1");
    ck_assert_msg(strstr(c.error.detail, "from 0 to 7; 8 came") != NULL, "%s", c.error.detail);
    call_end(&c);
}
END_TEST

/* ---- in graphs --------------------------------------------------------------------------------------------------- */

/* At a drawn point the check calls our own gradients right. */
static const struct {
    const char *nodes;
} checked[] = {
    {"'p': {'op': 'MaxPool2d', 'in': 'x', 'kernel_size': 2, 'return_indices': true}, "
     "'y': {'op': 'MaxUnpool2d', 'in': ['p.out', 'p.indices'], 'kernel_size': 2}"},
    {"'p': {'op': 'MaxPool2d', 'in': 'x', 'kernel_size': 3, 'stride': 1, 'return_indices': true}, "
     "'q': {'expr': 'p.out*p.out + 0.5*p.indices'}, "
     "'y': {'op': 'MaxUnpool2d', 'in': ['q', 'p.indices'], 'kernel_size': 3, 'stride': 1}"},
    {"'y': {'chain': [{'Conv2d': [2, 3, 3]}, 'ReLU', {'MaxPool2d': 2}, 'GlobalAvgPool', 'Flatten', {'Linear': [3, "
     "2]}], "
     "'in': 'x'}"},
    {"'y': {'chain': [{'Upsample': [null, 2, 'bilinear']}, {'AvgPool2d': [3, 2, 1]}, {'LPPool2d': [2, 2]}], 'in': "
     "'x'}"},
    {"'y': {'chain': [{'Unfold': 2}, {'Slice': [1, 1, -1, 2]}, {'Pad': [[1, 1], 'reflect']}, {'Select': [1, -1]}], "
     "'in': 'x'}"},
};

START_TEST(gradients_pass_their_check)
{
    char text[800];
    nb_arena_init(&arena, (size_t)1 << 28);
    snprintf(text, sizeof text,
             "{'inputs': {'x': ['B', 2, 6, 6]}, 'dtype': 'float64', 'nodes': {%s}, 'outputs': ['y']}",
             checked[_i].nodes);
    struct nb_graph *g = make_good(text);
    struct nb_check c = {.run.seed = {3, 4}};
    struct nb_verdicts v = {0};
    ck_assert_msg(!nb_check_run(g, &c, &arena, &v, &error), "%s at %s: %s", nb_code_name(error.code), error.pointer,
                  error.detail);
    ck_assert(v.n > 0);
    for (size_t i = 0; i < v.n; i++)
        ck_assert_msg(!v.v[i].wrong && v.v[i].right, "%s: %s: %d right, %d wrong", checked[_i].nodes, v.v[i].name,
                      (int)v.v[i].right, (int)v.v[i].wrong);
    nb_graph_unref(g);
    nb_arena_done(&arena);
}
END_TEST

/* ---- adjoints ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *type, *args, *shape;
} linear[] = {
    {"AvgPool1d", "{\"kernel_size\": 5, \"stride\": 3, \"padding\": 2, \"ceil_mode\": true}", "3x2x33"},
    {"AvgPool2d", "{\"kernel_size\": [3, 2], \"stride\": [2, 3], \"padding\": 1, \"count_include_pad\": false}",
     "2x3x17x9"},
    {"AvgPool3d", "{\"kernel_size\": 2, \"stride\": 1, \"padding\": 1}", "2x3x4x5x7"},
    {"AdaptiveAvgPool2d", "{\"output_size\": [4, 11]}", "2x3x7x5"},
    {"Upsample", "{\"scale_factor\": [1.3, 2.7], \"mode\": \"bilinear\"}", "2x3x7x5"},
    {"Upsample", "{\"size\": [3, 9, 2], \"mode\": \"trilinear\", \"align_corners\": true}", "2x3x4x5x6"},
    {"Upsample", "{\"size\": [13, 2]}", "2x3x7x5"},
    {"Unfold", "{\"kernel_size\": [2, 3], \"stride\": [1, 2], \"padding\": 2, \"dilation\": [2, 1]}", "2x3x5x4"},
    {"Pad", "{\"pads\": [3, 2, 1, 4], \"mode\": \"reflect\"}", "3x5x4"},
    {"Tile", "{\"dims\": [3, 1, 2]}", "5x7"},
    {"PixelShuffle", "{\"upscale_factor\": 3}", "2x18x3x5"},
};

/* <A x, u> = <x, A'u> */
START_TEST(has_its_adjoint)
{
    double x[MOST], u[MOST], left = 0, right = 0;
    struct call c;
    drawn(x, MOST, 5);
    drawn(u, MOST, 6);
    call_begin(&c, NB_F64, linear[_i].type, linear[_i].args);
    call_input(&c, linear[_i].shape, x);
    ck_assert_msg(!call_forward(&c), "%s", c.error.detail);
    ck_assert(nb_count(&c.out[0].shape) <= MOST);
    call_backward(&c, u);
    for (size_t i = 0; i < (size_t)nb_count(&c.out[0].shape); i++)
        left += call_at(&c.out[0], i) * u[i];
    for (size_t i = 0; i < (size_t)nb_count(&c.in[0].shape); i++)
        right += call_at(&c.gin[0], i) * x[i];
    ck_assert_msg(fabs(left - right) <= 1e-13 * (fabs(left) + 100), "%s: %.17g and %.17g", linear[_i].type, left,
                  right);
    call_end(&c);
}
END_TEST

/* Doubling by bilinear interpolation and halving by the mean of 2x2 gives smooth things back: a plane stays a plane. */
START_TEST(a_plane_stays_a_plane)
{
    double x[64];
    struct call c;
    for (int i = 0; i < 64; i++)
        x[i] = 3 * (i / 8) - 2 * (i % 8);
    call_begin(&c, NB_F64, "Upsample", "{\"scale_factor\": 2, \"mode\": \"bilinear\"}");
    call_input(&c, "1x1x8x8", x);
    ck_assert(!call_forward(&c));
    for (int i = 1; i < 15; i++)
        for (int j = 1; j < 15; j++)
            ck_assert_double_eq_tol(call_at(&c.out[0], (size_t)(16 * i + j)), 3 * (i - 0.5) / 2 - (j - 0.5), 1e-14);
    call_end(&c);
}
END_TEST

/* Sums of many floats are made in double. */
START_TEST(long_sums_in_float)
{
    enum { N = 1 << 20 };
    struct call c;
    double *x = malloc(N * sizeof *x);
    for (int i = 0; i < N; i++)
        x[i] = 1 + i % 3 * 0x1p-20;
    call_begin(&c, NB_F32, "GlobalAvgPool", NULL);
    call_input(&c, "1x1x1024x1024", x);
    ck_assert(!call_forward(&c));
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += x[i];
    ck_assert(call_at(&c.out[0], 0) == (double)(float)(sum / N));
    call_end(&c);
    free(x);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pools");
    TCase *t = tcase_create("pools");
    tcase_add_loop_test(t, infers, 0, sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(t, is_exact, 0, sizeof exact / sizeof *exact);
    tcase_add_loop_test(t, unpooling_undoes_pooling, 0, sizeof undone / sizeof *undone);
    tcase_add_test(t, stacks);
    tcase_add_test(t, bad_indices);
    tcase_add_loop_test(t, gradients_pass_their_check, 0, sizeof checked / sizeof *checked);
    tcase_add_loop_test(t, has_its_adjoint, 0, sizeof linear / sizeof *linear);
    tcase_add_test(t, a_plane_stays_a_plane);
    tcase_add_test(t, long_sums_in_float);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
