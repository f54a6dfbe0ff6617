/* test_number.c - reading and printing one number: against strtod, bit for bit. */
#include "wire/digits.h"
#include "wire/lift.h"
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ck_assert writes to a pipe each time: too slow for millions. */
#define expect(condition, ...)                                                                                         \
    do                                                                                                                 \
        if (!(condition))                                                                                              \
            ck_abort_msg(__VA_ARGS__);                                                                                 \
    while (0)

static uint64_t state = 88172645463325252u;
static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static struct nb_shown seen;

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* The whole text is one number, and the one strtod reads. */
static void expect_number(const char *text)
{
    double v = 12345, w = strtod(text, NULL);
    const char *end = text + strlen(text), *q = nb_number(text, end, &v, &seen);
    expect(q == end, "%s: read %td of %zu", text, q ? q - text : -1, strlen(text));
    expect(same_bits(v, w), "%s: %.17g instead of %.17g", text, v, w);
}

static double any_double(void)
{
    for (;;) {
        uint64_t bits = draw();
        double v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            return v;
    }
}

static float any_float(void)
{
    for (;;) {
        uint32_t bits = (uint32_t)draw();
        float v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            return v;
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

START_TEST(grammar)
{
    static const struct {
        const char *text;
        int taken; /* characters of the longest number; -1: none */
    } rows[] = {
        {"0", 1},
        {"-0", 2},
        {"00", 1},
        {"01", 1},
        {"-01", 2},
        {"10", 2},
        {"1.", 1},
        {"1.e5", 1},
        {".5", -1},
        {"-.5", -1},
        {"+1", -1},
        {"-", -1},
        {"--1", -1},
        {"", -1},
        {"1e", 1},
        {"1e+", 1},
        {"1e-", 1},
        {"1E5", 3},
        {"1e+05", 5},
        {"1e5.5", 3},
        {"0x10", 1},
        {"0e0", 3},
        {"-0e5", 4},
        {"NaN", -1},
        {"nan", -1},
        {"inf", -1},
        {"-Inf", -1},
        {"1,2", 1},
        {"1 2", 1},
        {"0.5]", 3},
        {"1.5.5", 3},
        {"1_000", 1},
        {"-1.25e-3]", 8},
        {"1e5e5", 3},
        {"12345678", 8},
        {"0.12345678", 10},
        {"0.123456789012345678901", 23},
        {"18446744073709551616", 20},
        {"184467440737095516160", 21},
        {"1844674407370955161600.5", 24},
        {"\xb0", -1},
        {"1\xb5", 1},
        {"0.1\xb5", 3},
        {"0.1234567\xff", 9},
        {"0.1:;<", 3},
        {"0.1//", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double v;
        const char *p = rows[i].text, *q = nb_number(p, p + strlen(p), &v, &seen);
        expect((q ? q - p : -1) == rows[i].taken, "%s: %td", p, q ? q - p : -1);
    }
}
END_TEST

START_TEST(stops_at_end)
{
    double v;
    const char *text = "1.5e10";
    const int taken[] = {-1, 1, 1, 3, 3, 5, 6};
    for (int n = 0; n <= 6; n++) {
        char copy[8] = "";
        memcpy(copy, text, (size_t)n);
        const char *q = nb_number(copy, copy + n, &v, &seen);
        ck_assert_int_eq(q ? q - copy : -1, taken[n]);
    }
}
END_TEST

START_TEST(known)
{
    static const char *const texts[] = {
        "-0",
        "-0.0",
        "0.0",
        "-0e400",
        "0e999999999",
        "1e400",
        "-1e400",
        "1e-400",
        "1e999999999999999999999",
        "1e-999999999999999999999",
        "4.94e-324",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "179769313486231580793728971405301e276",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "9007199254740994",
        "9007199254740995",
        "9007199254740993.0",
        "9007199254740993.00000000000000000001",
        "9007199254740992.99999999999999999999",
        "900719925474099300000e-5",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "1.00000017881393432617187499",
        "1.00000017881393432617187500",
        "0.1",
        "0.3",
        "123456789012345678901234567890",
        "0.000000000000000000000000000000000000000000000000012345",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "8.5e22",
        "3e-23",
        "6929495644600919.5",
        "3.7455744005952583e15",
        "2.0919495182368195e19",
        "7.3177701707893310e+15",
        "5e-20",
        "67e14",
        "985e15",
        "7693e-42",
        "55895e-16",
        "996622e-44",
        "7038531e-32",
        "60419369e-46",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_number(texts[i]);
}
END_TEST

START_TEST(long_texts)
{
    char text[3000];
    for (int n = 1; n < 900; n += 1 + n / 20) {
        memset(text, '9', sizeof text);
        text[n] = 0;
        expect_number(text);
        text[n / 2] = '.';
        if (n / 2 > 0 && n / 2 < n - 1)
            expect_number(text);
        snprintf(text, sizeof text, "0.%0*d1e%d", n, 0, n);
        expect_number(text);
        snprintf(text, sizeof text, "1%0*d1e-%d", n, 0, n);
        expect_number(text);
    }
}
END_TEST

START_TEST(printed_doubles)
{
    char text[60];
    for (int i = 0; i < 1000000; i++) {
        double v = any_double();
        snprintf(text, sizeof text, "%.*g", 1 + (int)(draw() % 20), v);
        expect_number(text);
    }
}
END_TEST

START_TEST(printed_floats)
{
    char text[60];
    for (int i = 0; i < 1000000; i++) {
        float v = i % 2 ? any_float() : (float)((double)draw() * 0x1p-63 - 1);
        snprintf(text, sizeof text, "%.*g", 1 + (int)(draw() % 10), (double)v);
        expect_number(text);
    }
}
END_TEST

START_TEST(decimals)
{
    char text[60];
    for (int i = 0; i < 1000000; i++) {
        uint64_t m = draw() >> draw() % 64;
        int e = i % 2 ? (int)(draw() % 60) - 30 : (int)(draw() % 700) - 350;
        snprintf(text, sizeof text, "%s%llue%d", draw() % 2 ? "-" : "", (unsigned long long)m, e);
        expect_number(text);
        snprintf(text, sizeof text, "%u.%0*llu", (unsigned)(draw() % 1000), (int)(draw() % 20), (unsigned long long)m);
        expect_number(text);
    }
}
END_TEST

/* The middle between two doubles, exactly, and a hair to both sides. */
START_TEST(halfway)
{
    char text[1200];
    for (int i = 0; i < 20000; i++) {
        double v = i % 4 == 0   ? any_double() * 0x1p-60
                   : i % 4 == 1 ? ldexp((double)(draw() >> 11), -(int)(draw() % 80))
                   : i % 4 == 2 ? ldexp((double)(draw() >> 11), (int)(draw() % 60))
                                : (double)(draw() >> 11 | (uint64_t)1 << 52);
        v = fabs(v);
        /* v + half a unit, as a long double: 64 bits of mantissa hold it */
        long double middle = (long double)v + (long double)(nextafter(v, INFINITY) - v) / 2;
        int n = snprintf(text, sizeof text, "%.1100Lf", middle);
        if (n >= (int)sizeof text || !isfinite(v))
            continue;
        while (text[n - 1] == '0' && text[n - 2] != '.')
            text[--n] = 0;
        expect_number(text);
        strcpy(text + n, "0000000000000000000000001");
        expect_number(text);
        text[n] = 0;
        if (text[n - 1] > '0') {
            text[n - 1]--;
            strcpy(text + n, "99999999999999999999999999");
            expect_number(text);
        }
    }
}
END_TEST

/* ---- printing -----------------------------------------------------------------------------------------------------
 */

static int shown(double v, bool single, char *buf)
{
    char *end = nb_digits(buf, v, single);
    *end = 0;
    expect(end - buf <= 25, "%td characters", end - buf);
    return (int)(end - buf);
}

/* Reads back to the same bits, here and through strtod; never longer than 17 or 9 digits would be. */
static void expect_round_trip(double v, bool single)
{
    char text[NB_DIGITS_MAX + 1];
    int n = shown(v, single, text);
    double w;
    expect(nb_number(text, text + n, &w, &seen) == text + n, "%.17g -> %s", v, text);
    if (single)
        w = (double)(float)w;
    expect(same_bits(v, w), "%.17g -> %s", v, text);
    expect(same_bits(v, single ? (double)strtof(text, NULL) : strtod(text, NULL)), "%.17g -> %s", v, text);
    int length = 0;
    for (const char *p = text; *p && *p != 'e'; p++)
        length += *p >= '0' && *p <= '9' && (length > 0 || *p > '0');
    if (fabs(v) != floor(fabs(v)))
        expect(length <= (single ? 9 : 17), "%.17g -> %s", v, text);
}

START_TEST(print_round_trip)
{
    for (int i = 0; i < 1000000; i++) {
        expect_round_trip(any_double(), false);
        expect_round_trip((double)any_float(), true);
        expect_round_trip((double)(int64_t)draw() * 0x1p-63, false);
        expect_round_trip((double)(float)((double)(int64_t)draw() * 0x1p-63), true);
    }
}
END_TEST

START_TEST(print_edges)
{
    for (int e = -1074; e <= 1023; e++) {
        double v = ldexp(1, e);
        expect_round_trip(v, false);
        expect_round_trip(-nextafter(v, 0), false);
        expect_round_trip(nextafter(v, INFINITY), false);
        if (e >= -149 && e <= 127) {
            expect_round_trip(v, true);
            expect_round_trip((double)nextafterf((float)v, 0), true);
            expect_round_trip((double)nextafterf((float)v, FLT_MAX), true);
        }
    }
    for (int e = -323; e <= 308; e++) {
        char text[20];
        snprintf(text, sizeof text, "1e%d", e);
        double v = strtod(text, NULL);
        expect_round_trip(v, false);
        expect_round_trip(nextafter(v, 0), false);
        expect_round_trip(nextafter(v, DBL_MAX), false);
    }
    expect_round_trip(DBL_MAX, false);
    expect_round_trip((double)FLT_MAX, true);
    expect_round_trip(0.0, false);
    expect_round_trip(-0.0, false);
    expect_round_trip(-0.0, true);
}
END_TEST

START_TEST(print_known)
{
    static const struct {
        double v;
        const char *text, *single;
    } rows[] = {
        {0, "0", "0"},
        {-0.0, "-0.0", "-0.0"},
        {1, "1", "1"},
        {-17, "-17", "-17"},
        {0.1, "0.1", "0.1"},
        {0.5, "0.5", "0.5"},
        {-2.25, "-2.25", "-2.25"},
        {1e5, "100000", "100000"},
        {123456.5, "123456.5", "123456.5"},
        {0.3, "0.3", "0.3"},
        {1e-5, "1e-5", "1e-5"},
        {0.0001, "0.0001", "0.0001"},
        {1.5e-7, "1.5e-7", "1.5e-7"},
        {1e22, "1e22", "1e22"},
        {1e300, "1e300", NULL},
        {16777216, "16777216", "16777216"},
        {9007199254740992, "9.007199254740992e15", NULL},
        {9007199254740991, "9007199254740991", NULL},
        {3.14159, "3.14159", "3.14159"},
        {1e10, "10000000000", "10000000000"},
        {0.7, "0.7", "0.7"},
        {99.99, "99.99", "99.99"},
        {1.0 / 3, "0.3333333333333333", "0.33333334"},
    };
    char text[NB_DIGITS_MAX + 1];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        shown(rows[i].v, false, text);
        ck_assert_str_eq(text, rows[i].text);
        if (rows[i].single) {
            shown((double)(float)rows[i].v, true, text);
            ck_assert_str_eq(text, rows[i].single);
        }
    }
}
END_TEST

/* What a person wrote with up to 15 (6) digits comes back as it was written. */
START_TEST(print_what_was_written)
{
    char text[60], out[NB_DIGITS_MAX + 1], back[60];
    for (int i = 0; i < 1000000; i++) {
        bool single = i % 2;
        int digits = single ? 6 : 15;
        double v = (double)(int64_t)draw() * 0x1p-63 * pow(10, (double)(draw() % 9) - 4);
        snprintf(text, sizeof text, "%.*e", (int)(draw() % (unsigned)digits), v);
        v = single ? (double)strtof(text, NULL) : strtod(text, NULL);
        shown(v, single, out);
        double w = strtod(out, NULL);
        snprintf(back, sizeof back, "%.*e",
                 (int)(strchr(text, 'e') - text - (*text == '-') - 2 + (text[1 + (*text == '-')] == 'e')), w);
        int n = 0;
        for (const char *p = out; *p && *p != 'e'; p++)
            n += *p >= '0' && *p <= '9' && (n > 0 || *p > '0');
        expect(n <= digits || w == floor(w), "%s -> %s", text, out);
        expect(strtod(text, NULL) == w || single, "%s -> %s", text, out);
        if (single)
            expect(strcmp(text, back) == 0, "%s -> %s", text, out);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("number");
    TCase *reading = tcase_create("reading"), *printing = tcase_create("printing");
    tcase_set_timeout(reading, 120);
    tcase_set_timeout(printing, 120);
    tcase_add_test(reading, grammar);
    tcase_add_test(reading, stops_at_end);
    tcase_add_test(reading, known);
    tcase_add_test(reading, long_texts);
    tcase_add_test(reading, printed_doubles);
    tcase_add_test(reading, printed_floats);
    tcase_add_test(reading, decimals);
    tcase_add_test(reading, halfway);
    tcase_add_test(printing, print_round_trip);
    tcase_add_test(printing, print_edges);
    tcase_add_test(printing, print_known);
    tcase_add_test(printing, print_what_was_written);
    suite_add_tcase(s, reading);
    suite_add_tcase(s, printing);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
