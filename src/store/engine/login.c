#include "store/engine/login.h"

#include <string.h>

#include "store/base/file.h"
#include "store/engine/reply.h"
#include "store/engine/wire.h"

/* A password file holds one line. */
#define PASSWORD_MAX_BYTES 4096

/* The text of PASSWORD; BUF holds it if it comes from the file. */
static struct mrc_bytes text_of(const struct mrc_engine_secret *password, struct mrc_buf *buf)
{
    struct mrc_bytes text = {NULL, 0};

    if (password->file && mrc_file_read(password->file, buf) == APR_SUCCESS) {
        text = mrc_buf_bytes(buf);
        while (text.len > 0 && strchr("\r\n", text.ptr[text.len - 1]))
            text.len--;
    }
    return text.len == 0 && password->value ? mrc_bytes_of(password->value) : text;
}

bool mrc_login(struct mrc_wire *wire, const char *user, const struct mrc_engine_secret *password,
               const char *name, int64_t timeout_us, struct mrc_engine_error *error)
{
    struct redisReply *reply;
    struct mrc_bytes text;
    struct mrc_buf buf;
    bool is_good;

    mrc_buf_init(&buf, PASSWORD_MAX_BYTES);
    text = text_of(password, &buf);
    mrc_wire_begin(wire, text.len ? 7 : 4);
    mrc_wire_add_text(wire, "HELLO");
    mrc_wire_add_text(wire, "2");
    if (text.len) {
        mrc_wire_add_text(wire, "AUTH");
        mrc_wire_add_text(wire, user ? user : "default");
        mrc_wire_add(wire, text);
    }
    mrc_wire_add_text(wire, "SETNAME");
    mrc_wire_add_text(wire, name);
    reply = mrc_wire_wait(wire, timeout_us, error);
    if (buf.ptr)
        explicit_bzero(buf.ptr, buf.cap);
    mrc_buf_free(&buf);
    is_good = reply && mrc_reply_is_good(reply, error);
    mrc_wire_free_reply(reply);
    return is_good;
}
