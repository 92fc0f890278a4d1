#include "core/protocol/position.h"

#include <openssl/evp.h>
#include <string.h>

#include "core/base/base64url.h"
#include "core/base/buf.h"

#define PLAIN_BYTES  16
#define TAG_BYTES    16
#define SEALED_BYTES (MRC_POSITION_NONCE_BYTES + PLAIN_BYTES + TAG_BYTES)
#define TEXT_LEN     (1 + SEALED_BYTES / 3 * 4)

_Static_assert(SEALED_BYTES % 3 == 0 && TEXT_LEN + 1 == MRC_POSITION_TEXT_BYTES,
               "a position has one length");

/* The bytes of a position; its text is `#` and their base64url. */
struct sealed {
    unsigned char nonce[MRC_POSITION_NONCE_BYTES];
    unsigned char secret[PLAIN_BYTES];
    unsigned char tag[TAG_BYTES];
};
_Static_assert(sizeof(struct sealed) == SEALED_BYTES, "without gaps");

static void put_word(unsigned char *out, uint64_t word)
{
    for (int i = 7; i >= 0; i--, word >>= 8)
        out[i] = (unsigned char)word;
}

static uint64_t get_word(const unsigned char *in)
{
    uint64_t word = 0;

    for (int i = 0; i < 8; i++)
        word = word << 8 | in[i];
    return word;
}

/*
 * A context for the cipher with KEY and the nonce of SEALED; for decryption, with its tag, too.
 * NULL: out of memory, or the cipher is not available.
 */
static EVP_CIPHER_CTX *create(const unsigned char *key, struct sealed *sealed, int encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int unused;

    if (ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_ccm(), NULL, NULL, NULL, encrypt) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, sizeof(sealed->nonce), NULL) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(sealed->tag),
                            encrypt ? NULL : sealed->tag) == 1 &&
        EVP_CipherInit_ex(ctx, NULL, NULL, key, sealed->nonce, encrypt) == 1 &&
        EVP_CipherUpdate(ctx, NULL, &unused, NULL, PLAIN_BYTES) == 1)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

bool mrc_position_write(const unsigned char key[MRC_POSITION_KEY_BYTES],
                        const unsigned char nonce[MRC_POSITION_NONCE_BYTES],
                        const struct mrc_position *position, char ret_text[MRC_POSITION_TEXT_BYTES])
{
    unsigned char plain[PLAIN_BYTES];
    struct sealed sealed;
    EVP_CIPHER_CTX *ctx;
    struct mrc_buf text;
    int len = 0;
    bool is_well;

    memcpy(sealed.nonce, nonce, sizeof(sealed.nonce));
    put_word(plain, position->number);
    put_word(plain + 8, (uint64_t)position->made_us);
    ctx = create(key, &sealed, 1);
    is_well = ctx && EVP_CipherUpdate(ctx, sealed.secret, &len, plain, PLAIN_BYTES) == 1 &&
              len == PLAIN_BYTES &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, sizeof(sealed.tag), sealed.tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!is_well)
        return false;
    mrc_buf_init(&text, MRC_POSITION_TEXT_BYTES);
    mrc_buf_add_char(&text, '#');
    mrc_base64url_encode((struct mrc_bytes){(const char *)&sealed, sizeof(sealed)}, &text);
    is_well = !mrc_buf_error(&text);
    if (is_well) {
        memcpy(ret_text, mrc_buf_bytes(&text).ptr, TEXT_LEN);
        ret_text[TEXT_LEN] = '\0';
    }
    mrc_buf_free(&text);
    return is_well;
}

/* Decodes TEXT. False: it does not have the form of a position. */
static bool decode(struct mrc_bytes text, struct sealed *ret_sealed)
{
    struct mrc_buf buf;
    bool is_well;

    if (text.len != TEXT_LEN || text.ptr[0] != '#')
        return false;
    mrc_buf_init(&buf, SEALED_BYTES);
    is_well = mrc_base64url_decode((struct mrc_bytes){text.ptr + 1, text.len - 1}, &buf) == MRC_OK;
    if (is_well)
        memcpy(ret_sealed, mrc_buf_bytes(&buf).ptr, sizeof(*ret_sealed));
    mrc_buf_free(&buf);
    return is_well;
}

bool mrc_position_read(const unsigned char key[MRC_POSITION_KEY_BYTES], struct mrc_bytes text,
                       struct mrc_position *ret_position)
{
    unsigned char plain[PLAIN_BYTES];
    struct sealed sealed;
    EVP_CIPHER_CTX *ctx;
    int len = 0;
    bool is_genuine;

    if (!decode(text, &sealed))
        return false;
    ctx = create(key, &sealed, 0);
    is_genuine = ctx && EVP_CipherUpdate(ctx, plain, &len, sealed.secret, PLAIN_BYTES) == 1 &&
                 len == PLAIN_BYTES;
    EVP_CIPHER_CTX_free(ctx);
    if (is_genuine)
        *ret_position = (struct mrc_position){
            .number = get_word(plain),
            .made_us = (int64_t)get_word(plain + 8),
        };
    return is_genuine;
}
