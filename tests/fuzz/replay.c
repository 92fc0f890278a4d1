/*
 * Runs a fuzz target on files, without a fuzzer: on its seeds in `make check`, or on files and
 * folders that the command line names, such as inputs that a fuzzer has found.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES ((size_t)1024 * 1024)

static int count;

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *whole = malloc(INPUT_BYTES), *data;
    size_t size;

    if (!file || !whole) {
        printf("not ok %d - %s cannot be read\n", ++count, path);
        return 1;
    }
    size = fread(whole, 1, INPUT_BYTES, file);
    fclose(file);
    /* The copy has the exact size, so that valgrind and ASan detect a read past its end. */
    data = malloc(size ? size : 1);
    if (!data)
        return 1;
    memcpy(data, whole, size);
    free(whole);
    LLVMFuzzerTestOneInput(data, size); /* aborts on an error */
    free(data);
    printf("ok %d - %s\n", ++count, path);
    fflush(stdout);
    return 0;
}

static int run(const char *path)
{
    struct dirent *entry;
    int failed = 0;
    struct stat st;
    DIR *folder;

    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return run_file(path);
    folder = opendir(path);
    if (!folder) {
        printf("not ok %d - %s cannot be read\n", ++count, path);
        return 1;
    }
    while ((entry = readdir(folder)) != NULL) {
        char name[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        failed |= run_file(name);
    }
    closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= run(argv[i]);
    if (argc < 2)
        failed = run(FUZZ_SEEDS);
    if (!count)
        failed = 1;
    printf("1..%d\n", count);
    return failed;
}
