/* yaml.c - block style; strings in double quotes, where JSON's escapes are YAML's. */
#include "http/yaml.h"
#include <stdbool.h>
#include <stdlib.h>

static void print(FILE *f, const json_t *v, int indent);

static bool is_block(const json_t *v)
{
    return (json_is_object(v) && json_object_size(v)) || (json_is_array(v) && json_array_size(v));
}

static bool is_flat(const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item)
        if (is_block(item))
            return false;
    return true;
}

static void print_leaf(FILE *f, const json_t *v)
{
    char *text = json_dumps(v, JSON_ENCODE_ANY);
    fprintf(f, " %s\n", text ? text : "null");
    free(text);
}

static void print_pairs(FILE *f, const json_t *object, int indent, bool first_here)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value) {
        fprintf(f, "%*s%s:", first_here ? 0 : indent, "", key);
        first_here = false;
        print(f, value, indent + 2);
    }
}

static void print_items(FILE *f, const json_t *list, int indent)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        fprintf(f, "%*s-", indent, "");
        if (json_is_object(item) && is_block(item)) {
            fputc(' ', f);
            print_pairs(f, item, indent + 2, true);
        } else {
            print(f, item, indent + 2);
        }
    }
}

/* What follows a colon or a dash. */
static void print(FILE *f, const json_t *v, int indent)
{
    if (!is_block(v) || (json_is_array(v) && is_flat(v))) {
        print_leaf(f, v);
        return;
    }
    fputc('\n', f);
    if (json_is_object(v))
        print_pairs(f, v, indent, false);
    else
        print_items(f, v, indent);
}

void nb_yaml_print(FILE *f, const char *title, const json_t *tree)
{
    fprintf(f, "# %s\n", title);
    print_pairs(f, tree, 0, false);
}
