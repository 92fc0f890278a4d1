#include "core/base/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void round_once(struct state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static void take_word(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    round_once(s);
    round_once(s);
    s->v0 ^= word;
}

/* The N bytes at PTR, at most 8, as a little-endian number. */
static uint64_t load(const char *ptr, size_t n)
{
    uint64_t word = 0;
    size_t i;

    for (i = 0; i < n; i++)
        word |= (uint64_t)(unsigned char)ptr[i] << (8 * i);
    return word;
}

uint64_t mrc_siphash(const uint64_t key[2], struct mrc_bytes bytes)
{
    struct state s = {
        .v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key[1] ^ UINT64_C(0x7465646279746573),
    };
    size_t left = bytes.len;
    int i;

    for (; left >= 8; left -= 8)
        take_word(&s, load(bytes.ptr + (bytes.len - left), 8));
    take_word(&s, (uint64_t)bytes.len << 56 | load(bytes.ptr + (bytes.len - left), left));
    s.v2 ^= 0xff;
    for (i = 0; i < 4; i++)
        round_once(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
