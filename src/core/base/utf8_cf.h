/*
 * The format characters (general category Cf) of Unicode 17.0.0, in ranges, in order.
 * Made by tests/node/make-utf8-cf.mjs; not to be edited by hand. For utf8.c only.
 */
#ifndef MRC_CORE_BASE_UTF8_CF_H
#define MRC_CORE_BASE_UTF8_CF_H

#include <stdint.h>

#define MRC_UTF8_CF_RANGES 21
#define MRC_UTF8_CF_COUNT  170

static const struct {
    uint32_t first, last;
} mrc_utf8_cf[MRC_UTF8_CF_RANGES] = {
    /* clang-format off */
    {0x00ad, 0x00ad},
    {0x0600, 0x0605},
    {0x061c, 0x061c},
    {0x06dd, 0x06dd},
    {0x070f, 0x070f},
    {0x0890, 0x0891},
    {0x08e2, 0x08e2},
    {0x180e, 0x180e},
    {0x200b, 0x200f},
    {0x202a, 0x202e},
    {0x2060, 0x2064},
    {0x2066, 0x206f},
    {0xfeff, 0xfeff},
    {0xfff9, 0xfffb},
    {0x110bd, 0x110bd},
    {0x110cd, 0x110cd},
    {0x13430, 0x1343f},
    {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a},
    {0xe0001, 0xe0001},
    {0xe0020, 0xe007f},
    /* clang-format on */
};

#endif
