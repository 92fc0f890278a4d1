#include "core/url/host.h"

#include <stdint.h>

#include "core/base/percent.h"
#include "core/base/utf8.h"
#include "core/url/idna.h"

#define IPV6_PIECES 8

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* https://url.spec.whatwg.org/#forbidden-host-code-point. A domain allows even fewer characters. */
static bool is_forbidden(unsigned char c, bool in_domain)
{
    if (c == 0 || strchr("\t\n\r #/:<>?@[\\]^|", c))
        return true;
    return in_domain && (c <= 0x1F || c == '%' || c == 0x7F);
}

static bool holds_forbidden(struct mrc_bytes host, bool in_domain)
{
    for (size_t i = 0; i < host.len; i++)
        if (is_forbidden((unsigned char)host.ptr[i], in_domain))
            return true;
    return false;
}

/* ---- IPv4 -------------------------------------------------------------------------------------*/

/* The IPv4 number parser. A number that is too large for an address reads as UINT32_MAX + 1. */
static bool parse_ipv4_number(struct mrc_bytes part, uint64_t *ret_number)
{
    uint64_t number = 0;
    int radix = 10;

    if (!part.len)
        return false;
    if (part.len >= 2 && part.ptr[0] == '0') {
        bool is_hex = part.ptr[1] == 'x' || part.ptr[1] == 'X';

        radix = is_hex ? 16 : 8;
        part.ptr += is_hex ? 2 : 1;
        part.len -= is_hex ? 2 : 1;
    }
    for (size_t i = 0; i < part.len; i++) {
        int digit = mrc_percent_hex_value((unsigned char)part.ptr[i]);

        if (digit < 0 || digit >= radix)
            return false;
        number = number * (unsigned)radix + (unsigned)digit;
        if (number > UINT32_MAX)
            number = (uint64_t)UINT32_MAX + 1;
    }
    *ret_number = number;
    return true;
}

/* The part of DOMAIN after its last dot. A dot at the end does not count. */
static struct mrc_bytes last_part(struct mrc_bytes domain)
{
    size_t dot;

    if (domain.len && domain.ptr[domain.len - 1] == '.')
        domain.len--;
    dot = mrc_bytes_find_last(domain, '.');
    if (dot == domain.len)
        return domain;
    return (struct mrc_bytes){domain.ptr + dot + 1, domain.len - dot - 1};
}

static bool ends_in_number(struct mrc_bytes domain)
{
    struct mrc_bytes last = last_part(domain);
    uint64_t number;
    size_t digits = 0;

    while (digits < last.len && is_digit(last.ptr[digits]))
        digits++;
    return (last.len && digits == last.len) || parse_ipv4_number(last, &number);
}

static bool parse_ipv4(struct mrc_bytes domain, uint32_t *ret_address)
{
    uint64_t numbers[4], address;
    size_t count = 0;

    if (domain.ptr[domain.len - 1] == '.')
        domain.len--;
    for (;;) {
        const char *dot = memchr(domain.ptr, '.', domain.len);
        struct mrc_bytes part = {domain.ptr, dot ? (size_t)(dot - domain.ptr) : domain.len};

        if (count == 4 || !parse_ipv4_number(part, &numbers[count++]))
            return false;
        if (!dot)
            break;
        domain.ptr += part.len + 1;
        domain.len -= part.len + 1;
    }
    for (size_t i = 0; i + 1 < count; i++)
        if (numbers[i] > 255)
            return false;
    address = numbers[count - 1];
    if (address >= (uint64_t)1 << 8 * (5 - count))
        return false;
    for (size_t i = 0; i + 1 < count; i++)
        address += numbers[i] << 8 * (3 - i);
    *ret_address = (uint32_t)address;
    return true;
}

/* ---- IPv6 -------------------------------------------------------------------------------------*/

/* Reads the four decimal numbers at the end of an IPv6 address as two pieces. */
static bool parse_ipv4_in_ipv6(struct mrc_bytes in, uint16_t pieces[2])
{
    size_t at = 0;

    for (int seen = 0; seen < 4; seen++) {
        int number = -1;

        if (seen > 0) {
            if (at == in.len || in.ptr[at] != '.')
                return false;
            at++;
        }
        for (; at < in.len && is_digit(in.ptr[at]); at++) {
            if (number == 0)
                return false;
            number = (number < 0 ? 0 : number) * 10 + (in.ptr[at] - '0');
            if (number > 255)
                return false;
        }
        if (number < 0)
            return false;
        pieces[seen / 2] = (uint16_t)(pieces[seen / 2] << 8 | number);
    }
    return at == in.len;
}

static bool parse_ipv6(struct mrc_bytes in, uint16_t address[IPV6_PIECES])
{
    int piece = 0, compress = -1;
    size_t at = 0;

    if (in.len && in.ptr[0] == ':') {
        if (in.len < 2 || in.ptr[1] != ':')
            return false;
        at = 2;
        compress = ++piece;
    }
    while (at < in.len) {
        unsigned value = 0;
        size_t start = at;

        if (piece == IPV6_PIECES)
            return false;
        if (in.ptr[at] == ':') {
            if (compress >= 0)
                return false;
            at++;
            compress = ++piece;
            continue;
        }
        while (at < in.len && at - start < 4 &&
               mrc_percent_hex_value((unsigned char)in.ptr[at]) >= 0)
            value = value << 4 | (unsigned)mrc_percent_hex_value((unsigned char)in.ptr[at++]);
        if (at < in.len && in.ptr[at] == '.') {
            struct mrc_bytes ipv4 = {in.ptr + start, in.len - start};

            if (at == start || piece > IPV6_PIECES - 2 ||
                !parse_ipv4_in_ipv6(ipv4, address + piece))
                return false;
            piece += 2;
            break;
        }
        if (at < in.len) {
            if (in.ptr[at] != ':' || at + 1 == in.len)
                return false;
            at++;
        }
        address[piece++] = (uint16_t)value;
    }
    if (compress < 0)
        return piece == IPV6_PIECES;
    for (int swaps = piece - compress, to = IPV6_PIECES - 1; to != 0 && swaps > 0; to--, swaps--) {
        uint16_t moved = address[compress + swaps - 1];

        address[compress + swaps - 1] = address[to];
        address[to] = moved;
    }
    return true;
}

/* The position of the first longest run of two or more zero pieces; -1: there is none. */
static int find_compressed(const uint16_t address[IPV6_PIECES])
{
    int longest = -1, longest_len = 1;

    for (int i = 0; i < IPV6_PIECES; i++) {
        int len = 0;

        while (i + len < IPV6_PIECES && address[i + len] == 0)
            len++;
        if (len > longest_len) {
            longest = i;
            longest_len = len;
        }
        i += len;
    }
    return longest;
}

static void add_ipv6(struct mrc_buf *out, const uint16_t address[IPV6_PIECES])
{
    int compress = find_compressed(address);

    mrc_buf_add_char(out, '[');
    for (int i = 0; i < IPV6_PIECES; i++) {
        if (i == compress) {
            mrc_buf_add_str(out, i == 0 ? "::" : ":");
            while (i + 1 < IPV6_PIECES && address[i + 1] == 0)
                i++;
            continue;
        }
        mrc_buf_printf(out, "%x", address[i]);
        if (i != IPV6_PIECES - 1)
            mrc_buf_add_char(out, ':');
    }
    mrc_buf_add_char(out, ']');
}

/* ---- domains ----------------------------------------------------------------------------------*/

static bool is_ascii(struct mrc_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

/* Appends the domain, or the IPv4 address that it stands for. */
static enum mrc_err parse_domain(struct mrc_bytes domain, struct mrc_error *error,
                                 struct mrc_buf *out)
{
    size_t start = out->len;
    struct mrc_bytes ascii;
    uint32_t address;
    enum mrc_err err;

    if (is_ascii(domain)) {
        char *room = mrc_buf_extend(out, domain.len);

        for (size_t i = 0; room && i < domain.len; i++) {
            char c = domain.ptr[i];

            room[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
    } else {
        if (!mrc_utf8_valid(domain))
            return mrc_error_set(error, MRC_EINVAL, "the host is not valid UTF-8");
        err = mrc_url_idna_to_ascii(domain, error, out);
        if (err)
            return err;
    }
    if (mrc_buf_error(out))
        return mrc_buf_error(out);
    ascii = (struct mrc_bytes){out->ptr + start, out->len - start};
    if (!ascii.len)
        return mrc_error_set(error, MRC_EINVAL, "the host is empty");
    if (holds_forbidden(ascii, true))
        return mrc_error_set(error, MRC_EINVAL, "the host holds a character that no host may have");
    if (!ends_in_number(ascii))
        return MRC_OK;
    if (!parse_ipv4(ascii, &address))
        return mrc_error_set(error, MRC_EINVAL, "the host is not a valid IPv4 address");
    out->len = start;
    mrc_buf_printf(out, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
                   address & 255);
    return mrc_buf_error(out);
}

enum mrc_err mrc_url_host_parse(struct mrc_bytes input, bool is_opaque, struct mrc_error *error,
                                struct mrc_buf *out)
{
    struct mrc_buf decoded;
    enum mrc_err err;
    char *room;

    if (input.len && input.ptr[0] == '[') {
        uint16_t address[IPV6_PIECES] = {0};
        struct mrc_bytes inner = {input.ptr + 1, input.len - 2};

        if (input.len < 2 || input.ptr[input.len - 1] != ']' || !parse_ipv6(inner, address))
            return mrc_error_set(error, MRC_EINVAL, "the host is not a valid IPv6 address");
        add_ipv6(out, address);
        return mrc_buf_error(out);
    }
    if (is_opaque) {
        if (holds_forbidden(input, false))
            return mrc_error_set(error, MRC_EINVAL,
                                 "the host holds a character that no host may have");
        mrc_percent_encode(out, input, MRC_PERCENT_C0);
        return mrc_buf_error(out);
    }
    if (!memchr(input.ptr, '%', input.len))
        return parse_domain(input, error, out);
    mrc_buf_init(&decoded, input.len);
    room = mrc_buf_extend(&decoded, input.len);
    if (!room)
        return mrc_buf_error(&decoded);
    decoded.len = mrc_percent_decode(input, false, room);
    err = parse_domain(mrc_buf_bytes(&decoded), error, out);
    mrc_buf_free(&decoded);
    return err;
}
