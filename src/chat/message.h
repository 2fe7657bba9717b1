/* message.h - the parts of an answer, as they come, made a message of OpenAI's API. */
#ifndef CHAT_MESSAGE_H
#define CHAT_MESSAGE_H

#include "src/chat/template.h"

/* Values live in the rendering's arena, pieces of text are joined there. Is not moved once open. */
struct message {
    struct render r;
    struct infer_chat_template base; /* what a rendering needs: an allocator */
    struct list pieces[2];           /* of content, of reasoning */
    struct list *calls;
    struct text name; /* of the call whose arguments come next */
    infer_error err;
};

void message_open(struct message *m, const infer_allocator *a);
void message_close(struct message *m);
/** Failures are told by message_write. */
void message_add(struct message *m, infer_chat_part part, const char *text, size_t length);
/** The message as JSON text, valid until the next call. */
infer_status message_write(struct message *m, struct text *json, infer_error *err);

#endif
