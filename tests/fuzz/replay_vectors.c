/*
 * Runs a fuzz target without a fuzzer, or writes its seeds for a fuzzer:
 *
 *     replay                 runs the seeds from the vectors, and mutations of them; prints TAP
 *     replay FILE...         runs these inputs, such as those that a fuzzer has found
 *     replay --write DIR     writes the seeds to DIR, one file for each
 *
 * The mutations are the same each time.
 */
#include "fuzz.h"
#include "vectors.h"

#define MUTATIONS 30

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Runs the target on a copy of the exact size, so that a sanitizer detects a read past its end. */
static void feed(const char *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    if (!copy)
        exit(1);
    if (len)
        memcpy(copy, data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

/* Runs the target on SEED with one small change. */
static void feed_mutation(struct mrc_bytes seed, uint32_t *state)
{
    static const char bytes[] = "/:?#@[]{}()*+\\.%-|&^~ \t\n0aZ\xc3\xa9\xff";
    struct mrc_buf buf;
    size_t at = seed.len ? next_random(state) % seed.len : 0;
    size_t len = seed.len ? next_random(state) % (seed.len - at + 1) : 0;

    mrc_buf_init(&buf, 1 << 20);
    mrc_buf_add(&buf, seed.ptr, at);
    switch (next_random(state) % 4) {
    case 0: /* add a byte */
        mrc_buf_add_char(&buf, bytes[next_random(state) % (sizeof(bytes) - 1)]);
        len = 0;
        break;
    case 1: /* replace a byte */
        mrc_buf_add_char(&buf, bytes[next_random(state) % (sizeof(bytes) - 1)]);
        len = seed.len > at;
        break;
    case 2: /* repeat a piece */
        mrc_buf_add(&buf, seed.ptr + at, len);
        len = 0;
        break;
    default: /* remove a piece */
        break;
    }
    mrc_buf_add(&buf, seed.ptr + at + len, seed.len - at - len);
    feed(mrc_buf_bytes(&buf).ptr, buf.len);
    mrc_buf_free(&buf);
}

static void write_seed(struct mrc_bytes seed, const char *directory, size_t number)
{
    char path[1024];
    FILE *file;

    snprintf(path, sizeof(path), "%s/seed-%05zu", directory, number);
    file = fopen(path, "wb");
    if (!file || fwrite(seed.ptr, 1, seed.len, file) != seed.len || fclose(file)) {
        perror(path);
        exit(1);
    }
}

struct use {
    const char *directory; /* seeds are written there; NULL: the target runs on them */
    uint32_t random;
    size_t count;
};

static void use_entry(struct use *use, const json_t *entry)
{
    struct mrc_buf seed;

    mrc_buf_init(&seed, 1 << 20);
    fuzz_seed(entry, &seed);
    use->count++;
    if (use->directory)
        write_seed(mrc_buf_bytes(&seed), use->directory, use->count);
    else
        feed(mrc_buf_bytes(&seed).ptr, seed.len);
    for (int i = 0; i < MUTATIONS && !use->directory; i++, use->count++)
        feed_mutation(mrc_buf_bytes(&seed), &use->random);
    mrc_buf_free(&seed);
}

/* Uses the entries of a file: the objects of a list, or the test cases of named groups. */
static void use_file(struct use *use, json_t *root)
{
    json_t *entry, *group;
    const char *name;
    size_t i;

    json_array_foreach(root, i, entry)
    {
        if (json_is_object(entry))
            use_entry(use, entry);
    }
    json_object_foreach(root, name, group)
    {
        json_array_foreach(json_object_get(group, "testcases"), i, entry) use_entry(use, entry);
    }
}

/* Writes all seeds to DIRECTORY, or runs the target on them if it is NULL. Returns their number. */
static size_t use_seeds(const char *directory)
{
    struct use use = {directory, 1, 0};

    for (size_t i = 0; fuzz_vectors[i]; i++) {
        json_t *root = vectors_load(fuzz_vectors[i]);

        use_file(&use, root);
        json_decref(root);
    }
    return use.count;
}

static void feed_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct mrc_buf buf;
    char block[4096];
    size_t len;

    if (!file) {
        perror(path);
        exit(1);
    }
    mrc_buf_init(&buf, 64 << 20);
    while ((len = fread(block, 1, sizeof(block), file)) > 0)
        mrc_buf_add(&buf, block, len);
    fclose(file);
    feed(mrc_buf_bytes(&buf).ptr, buf.len);
    mrc_buf_free(&buf);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        printf("%zu seeds\n", use_seeds(argv[2]));
        return 0;
    }
    for (int i = 1; i < argc; i++)
        feed_file(argv[i]);
    if (argc == 1)
        printf("1..1\nok 1 - %zu inputs\n", use_seeds(NULL));
    return 0;
}
