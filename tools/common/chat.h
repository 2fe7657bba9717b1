/* chat.h - a conversation with a model through its chat template.
 *
 * Each turn the whole conversation is written anew, as the template may write earlier turns otherwise than they were
 * generated (without their reasoning, say); what the session holds of it already is not computed again. */
#ifndef TOOLS_COMMON_CHAT_H
#define TOOLS_COMMON_CHAT_H

#include "infer.h"

struct chat_options {
    const char *template;  /* name of a built-in template, or a file; NULL = the model's, else "chatml" */
    const char *system;    /* system message, or NULL */
    const char *variables; /* JSON object for the template, or NULL */
    bool dim;              /* reasoning is written in grey, for terminals */
};

struct chat;

/** The handles must live longer. NULL on failure. */
struct chat *chat_open(infer_context *context, infer_model *model, infer_session *session, infer_sampler *sampler,
                       const struct chat_options *options, infer_error *err);
void chat_close(struct chat **chat);
/** Say something; the answer goes to options->on_text, reasoning, content and calls of tools in their order. Both
 *  become part of the conversation, of an answer that was stopped what there is. A failure before the answer began
 *  leaves the conversation as it was. result is filled as infer_generate does. */
infer_status chat_say(struct chat *chat, const char *text, size_t length, const infer_generate_options *options,
                      infer_generate_result *result, infer_error *err);

#endif
