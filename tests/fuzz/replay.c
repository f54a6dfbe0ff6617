/* replay - runs a fuzzer's entry on every file of the directories named, where there is no libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From a block of exactly its size. */
static int replay(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END))
        return perror(path), -1;
    size_t n = (size_t)ftell(f);
    uint8_t *data = malloc(n + !n);
    rewind(f);
    if (!data || fread(data, 1, n, f) != n)
        return perror(path), -1;
    fclose(f);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 0;
}

static int replay_all(const char *directory, int *count)
{
    DIR *d = opendir(directory);
    if (!d)
        return perror(directory), -1;
    for (struct dirent *entry; (entry = readdir(d));)
        if (entry->d_name[0] != '.') {
            if (replay(directory, entry->d_name))
                return -1;
            ++*count;
        }
    closedir(d);
    return 0;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        if (replay_all(argv[i], &count))
            return 1;
    printf("%d files replayed\n", count);
    return count == 0;
}
