/* handshake.c - how a WebSocket begins. */
#include "server/handshake.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

static const char protocol[] = "infer", key_protocol[] = "infer-key.";
enum { KEY_LETTERS = 24, ACCEPT_LETTERS = 28 };

static const char *header(const struct answer *a, const char *name)
{
    const char *value = MHD_lookup_connection_value(a->mhd, MHD_HEADER_KIND, name);
    return value ? value : "";
}

/* The next word of a list with commas: its length, 0 at the end; *at moves behind it. */
static size_t next_word(const char **at, const char **word)
{
    *word = *at + strspn(*at, ", \t");
    size_t n = strcspn(*word, ",");
    *at = *word + n;
    while (n && strchr(" \t", (*word)[n - 1]))
        n--;
    return n;
}

static bool lists(const char *list, const char *wanted)
{
    const char *word;
    for (size_t n; (n = next_word(&list, &word));)
        if (n == strlen(wanted) && !strncasecmp(word, wanted, n))
            return true;
    return false;
}

bool handshake_wanted(const struct answer *a)
{
    return lists(header(a, MHD_HTTP_HEADER_UPGRADE), "websocket") &&
           lists(header(a, MHD_HTTP_HEADER_CONNECTION), "upgrade");
}

/* Programs send no origin. Pages of ours do, and it names us as they do. */
static bool is_welcome(const struct answer *a)
{
    const char *origin = header(a, MHD_HTTP_HEADER_ORIGIN), *cors = a->http->options.cors;
    const char *own = strstr(origin, "://");
    if (!*origin || (own && !strcasecmp(own + 3, header(a, MHD_HTTP_HEADER_HOST))))
        return true;
    return cors && (!strcmp(cors, "*") || !strcasecmp(cors, origin));
}

unsigned handshake_check(const struct answer *a, const char **sentence)
{
    *sentence = "a WebSocket begins with GET";
    if (strcmp(a->method, MHD_HTTP_METHOD_GET))
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    *sentence = "pages of this origin may not open WebSockets";
    if (!is_welcome(a))
        return MHD_HTTP_FORBIDDEN;
    *sentence = "of WebSockets only version 13 is known";
    if (strcmp(header(a, "Sec-WebSocket-Version"), "13"))
        return MHD_HTTP_UPGRADE_REQUIRED;
    *sentence = "Sec-WebSocket-Key is not 16 bytes in base64";
    return strlen(header(a, "Sec-WebSocket-Key")) == KEY_LETTERS ? 0 : MHD_HTTP_BAD_REQUEST;
}

/* What a client can tell by that its key was understood. */
static bool accept_key(const char *key, char accept[ACCEPT_LETTERS + 1])
{
    static const char fixed[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, section 1.3 */
    char text[KEY_LETTERS + sizeof fixed];
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const int n = snprintf(text, sizeof text, "%.24s%s", key, fixed);
    return EVP_Digest(text, (size_t)n, hash, &size, EVP_sha1(), NULL) == 1 && size == 20 &&
           EVP_EncodeBlock((unsigned char *)accept, hash, (int)size) == ACCEPT_LETTERS;
}

bool handshake_headers(const struct answer *a, struct MHD_Response *response)
{
    char accept[ACCEPT_LETTERS + 1];
    return accept_key(header(a, "Sec-WebSocket-Key"), accept) &&
           MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, "websocket") &&
           MHD_add_response_header(response, "Sec-WebSocket-Accept", accept) &&
           (!lists(header(a, "Sec-WebSocket-Protocol"), protocol) ||
            MHD_add_response_header(response, "Sec-WebSocket-Protocol", protocol));
}

infer_header handshake_key(const struct answer *a)
{
    const char *list = header(a, "Sec-WebSocket-Protocol"), *word;
    const size_t prefix = sizeof key_protocol - 1;
    infer_header h = { NULL, NULL };
    for (size_t n; (n = next_word(&list, &word));) {
        char *value;
        if (n <= prefix || strncmp(word, key_protocol, prefix))
            continue;
        if (asprintf(&value, "Bearer %.*s", (int)(n - prefix), word + prefix) > 0)
            h = (infer_header){ MHD_HTTP_HEADER_AUTHORIZATION, value };
        break;
    }
    return h;
}
