/* test_report.c - escapes, what students see, and the worked example of a grading in every format. */
#include "report/escape.h"
#include "report/report.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct nb_arena arena;
static struct nb_error error;
static struct nb_text text;

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    error = (struct nb_error){0};
    text = (struct nb_text){.arena = &arena};
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

/* ---- escapes ----------------------------------------------------------------------------------------------------- */

struct escape {
    int (*put)(struct nb_text *, const char *, struct nb_error *);
    const char *in, *out;
};

static const struct escape escapes[] = {
    {nb_put_markup, "a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;"},
    {nb_put_markup, "\x01\tx\n\x7f\xC2\x85\xEF\xBF\xBE", "\tx\n"},
    {nb_put_markup, "\xff\xC3", "\uFFFD\uFFFD"},
    {nb_put_markup, "", ""},
    {nb_put_bdi, "</bdi>", "<bdi>&lt;/bdi&gt;</bdi>"},
    {nb_put_csv, "plain", "plain"},
    {nb_put_csv, "a,b", "\"a,b\""},
    {nb_put_csv, "say \"x\"\ny", "\"say \"\"x\"\"\ny\""},
    {nb_put_csv, "=1+1", "'=1+1"},
    {nb_put_csv, "=\"a,b\"", "\"'=\"\"a,b\"\"\""},
    {nb_put_csv, "@x", "'@x"},
    {nb_put_csv, "-2+3", "'-2+3"},
    {nb_put_csv, "-2.5e-3", "-2.5e-3"},
    {nb_put_csv, "+7", "+7"},
    {nb_put_csv, "-inf", "'-inf"},
    {nb_put_csv, "-0x1F", "'-0x1F"},
    {nb_put_csv, "\t=1", "'\t=1"},
    {nb_put_csv, "\r=1", "'=1"},
    {nb_put_csv, "\x01=1", "'=1"},
    {nb_put_csv, "\uFF1D1", "'\uFF1D1"},
    {nb_put_csv, " x", "\" x\""},
    {nb_put_shell, "it's $(x) `y`\n", "'it'\\''s $(x) `y`\n'"},
    {nb_put_shell, "", "''"},
    {nb_put_rst, "*a* `b` |c|_ \\ .. x::\ny", "\\*a\\* \\`b\\` \\|c\\|\\_ \\\\ \\.\\. x\\:\\: y"},
    {nb_put_rst, "a\u2028b", "a b"},
    {nb_put_line, "a\nb\tc\x1b[31m", "a b c[31m"},
};

START_TEST(escaped)
{
    const struct escape *x = &escapes[_i];
    ck_assert_int_eq(x->put(&text, x->in, &error), 0);
    ck_assert_str_eq(text.v, x->out);
}
END_TEST

/* ---- the worked example ------------------------------------------------------------------------------------------ */

static const char EXAMPLE[] =
    "{'score':7.125,'max_score':10,'verdict':'wrong','review':false,'tensors':{"
    "'fc.weight':{'verdict':'wrong','right':0,'wrong':2,'cannot_tell':0,'silent':0,'points':2.25,'max_points':4,"
    "'rows':[{'row':'shape','points':0.5,'max_points':0.5},"
    "{'row':'values','points':1.75,'max_points':3.5,'because':'slip_credit'}],"
    "'diagnosis':{'code':'factor_batch','evidence':{'c':0.3333333333333333,'n':3,'expected':-6.5},"
    "'pattern':'exactly 1/3 of the expected value','hint':'Divided by N?'},"
    "'first_wrong':{'index':[0,0],'got':-2.1666666666666665,'expected':-6.5}},"
    "'fc.bias':{'verdict':'wrong','reason':'shape','points':0.875,'max_points':2,"
    "'rows':[{'row':'shape','points':0,'max_points':0.25},"
    "{'row':'values','points':0.875,'max_points':1.75,'because':'slip_credit'}],"
    "'diagnosis':{'code':'not_summed_over_batch','evidence':{'got_shape':[3,1],'shape':[1]},"
    "'pattern':'3 rows where one was expected','hint':'Add the contributions.'}},"
    "'x':{'verdict':'right','right':6,'wrong':0,'cannot_tell':0,'silent':0,'points':4,'max_points':4,"
    "'power':{'worst':1e-6,'median':1e-6}}},'warnings':[],"
    "'certificate':{'id':'ct_2f9d','seed':'7','point':{'sha256':'ab','tensors':[1]}}}";

static json_t *example(void)
{
    char *s = strdup(EXAMPLE);
    for (char *p = s; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json_t *j = json_loads(s, 0, NULL);
    free(s);
    ck_assert_ptr_nonnull(j);
    return j;
}

static struct nb_report report_of(json_t *result)
{
    return (struct nb_report){.result = result,
                              .student = "Ada",
                              .submission = "sb_1",
                              .assignment = "hw",
                              .attempt = 2,
                              .level = NB_HINT_FORMULA,
                              .runner = {.classroom = "c",
                                         .tag = "submit/1",
                                         .commit = "https://c",
                                         .release = "https://r",
                                         .review = "https://v",
                                         .datetime = "2026-03-01T12:00:00Z"}};
}

static const struct {
    const char *format, *out;
} wanted[] = {
    {"csv", "student,submission,attempt,assignment,tensor,row,verdict,points,max_points,code,power\r\n"
            "Ada,sb_1,2,hw,fc.weight,shape,wrong,0.5,0.5,factor_batch,\r\n"
            "Ada,sb_1,2,hw,fc.weight,values,wrong,1.75,3.5,factor_batch,\r\n"
            "Ada,sb_1,2,hw,fc.bias,shape,wrong,0,0.25,not_summed_over_batch,\r\n"
            "Ada,sb_1,2,hw,fc.bias,values,wrong,0.875,1.75,not_summed_over_batch,\r\n"
            "Ada,sb_1,2,hw,x,,right,4,4,,1e-06\r\n"
            "Ada,sb_1,2,hw,*,,wrong,7.125,10,,\r\n"},
    {"nbgrader", "7.125\n"},
    {"autolab",
     "7.125 of 10\n"
     "fc.weight: 2.25 of 4: exactly 1/3 of the expected value; at [0, 0] you have -2.16666667. Divided by N?\n"
     "fc.bias: 0.875 of 2: 3 rows where one was expected. Add the contributions.\n"
     "x: 4 of 4: right\n"
     "{\"scores\":{\"fc.weight\":2.25,\"fc.bias\":0.875,\"x\":4}}\n"},
    {"coderunner", "{\"fraction\":0.7125,\"prologuehtml\":\"<p>7.125 of "
                   "10</p>\",\"testresults\":[[\"iscorrect\",\"Tensor\",\"Points\","
                   "\"Remark\"],[0,\"fc.weight\",\"2.25 / 4\",\"exactly 1/3 of the expected value; at [0, 0] you have "
                   "-2.16666667. Divided "
                   "by N?\"],[0,\"fc.bias\",\"0.875 / 2\",\"3 rows where one was expected. Add the contributions.\"],"
                   "[1,\"x\",\"4 / 4\",\"right\"]]}\n"},
    {"prairielearn", "{\"gradable\":false,\"format_errors\":[\"fc.bias: 3 rows where one was expected. Add the "
                     "contributions.\"]}\n"},
};

START_TEST(worked_example)
{
    json_t *j = example();
    struct nb_report r = report_of(j);
    const struct nb_report_format *f = nb_report_format(wanted[_i].format, false, &error);
    ck_assert_int_eq(nb_report_write(f, &r, &text, &error), 0);
    ck_assert_str_eq(text.v, wanted[_i].out);
    json_decref(j);
}
END_TEST

/* ---- feedback ---------------------------------------------------------------------------------------------------- */

static bool has(json_t *seen, const char *path)
{
    char step[40];
    for (int n; seen && sscanf(path, "%39[^/]%n", step, &n) == 1; path += path[n] ? n + 1 : n)
        seen = json_object_get(seen, step);
    return seen != NULL;
}

static const struct {
    const char *path;
    int from; /* a level; -1 with reveal only; -2 never */
} seen_from[] = {
    {"score", 0},
    {"certificate/id", 0},
    {"certificate/point/sha256", 0},
    {"certificate/point/tensors", -2},
    {"certificate/seed", -2},
    {"tensors/fc.weight/verdict", 0},
    {"tensors/fc.weight/points", 0},
    {"tensors/fc.bias/reason", 0},
    {"tensors/fc.weight/wrong", 1},
    {"tensors/fc.weight/rows", 1},
    {"tensors/fc.weight/first_wrong/got", 1},
    {"tensors/fc.weight/first_wrong/expected", -1},
    {"tensors/fc.weight/diagnosis/pattern", 2},
    {"tensors/fc.weight/diagnosis/evidence/c", 2},
    {"tensors/fc.weight/diagnosis/evidence/expected", -1},
    {"tensors/fc.weight/diagnosis/hint", 3},
};

START_TEST(feedback)
{
    json_t *j = example();
    for (int reveal = 0; reveal < 2; reveal++) {
        json_t *seen = nb_feedback(j, (enum nb_hint_level)_i, reveal, &error);
        for (size_t k = 0; k < sizeof seen_from / sizeof *seen_from; k++) {
            int from = seen_from[k].from;
            bool expected = from == -1 ? reveal && (_i >= 2 || (_i >= 1 && strstr(seen_from[k].path, "first")))
                                       : from >= 0 && _i >= from;
            ck_assert_msg(has(seen, seen_from[k].path) == expected, "%s at level %d", seen_from[k].path, _i);
        }
        json_decref(seen);
    }
    json_t *again = example();
    ck_assert_int_eq(json_equal(j, again), 1); /* untouched */
    json_decref(again);
    json_decref(j);
}
END_TEST

/* Where memory ends, every format says so. */
START_TEST(memory)
{
    json_t *j = example();
    struct nb_report r = report_of(j);
    for (const struct nb_report_format *f = nb_report_formats; f->name; f++) {
        bool done = false;
        for (size_t cap = 1 << 9; !done; cap += cap / 2) {
            struct nb_arena small;
            struct nb_error e = {0};
            nb_arena_init(&small, cap);
            struct nb_text t = {.arena = &small};
            done = nb_report_write(f, &r, &t, &e) == 0;
            ck_assert_int_eq(done, e.code == NB_E_none);
            nb_arena_done(&small);
            ck_assert_uint_lt(cap, 1 << 24);
        }
    }
    json_decref(j);
}
END_TEST

START_TEST(refused)
{
    struct nb_error why = {.code = NB_E_bad_tensor, .pointer = "/submission", .detail = "not a tensor"};
    json_t *j = nb_refused(&why, 10, &error);
    struct nb_report r = report_of(j);
    ck_assert_int_eq(nb_report_write(nb_report_format("prairielearn", false, &error), &r, &text, &error), 0);
    ck_assert_str_eq(text.v, "{\"gradable\":false,\"format_errors\":[\"not a tensor\"]}\n");
    json_decref(j);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("report");
    TCase *c = tcase_create("report");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, escaped, 0, sizeof escapes / sizeof *escapes);
    tcase_add_loop_test(c, worked_example, 0, sizeof wanted / sizeof *wanted);
    tcase_add_loop_test(c, feedback, 0, NB_HINT_FORMULA + 1);
    tcase_add_test(c, memory);
    tcase_add_test(c, refused);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
