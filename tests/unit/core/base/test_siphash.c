#include "core/base/siphash.h"
#include "unit.h"

/* The vectors of the authors of SipHash: key 00 01 … 0f, message 00 01 … of the given length. */
START_TEST(passes_the_vectors)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {15, UINT64_C(0xa129ca6149be45e5)},
    };
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    char message[16];
    size_t i;

    for (i = 0; i < sizeof(message); i++)
        message[i] = (char)i;
    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        ck_assert_uint_eq(mrc_siphash(key, (struct mrc_bytes){message, vectors[i].len}),
                          vectors[i].hash);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("siphash");
    TCase *tcase = tcase_create("siphash");

    tcase_add_test(tcase, passes_the_vectors);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
