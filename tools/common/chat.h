/* chat.h - a conversation with a model in a terminal: what was said so far, and how answers are shown.
 *
 * Each turn the whole conversation is written anew, as the template may write earlier turns otherwise than they were
 * generated (without their reasoning, say); what the session holds of it already is not computed again. */
#ifndef TOOLS_COMMON_CHAT_H
#define TOOLS_COMMON_CHAT_H

#include "infer.h"

struct chat;

/** @param setup how the model is talked with; its `now` is the clock on the wall here.
 *  @param dim   reasoning is written in grey, for terminals.
 *  NULL on failure. */
struct chat *chat_open(infer_model *model, const infer_chat_setup *setup, bool dim, infer_error *err);
void chat_close(struct chat **chat);

/** Say something; the answer goes to options->on_text, reasoning, content and calls of tools in their order, of the
 *  latter each as a line of JSON: {"name": "f", "arguments": {}}. Both become part of the conversation, of an answer
 *  that was stopped what there is. A failure before the answer began leaves the conversation as it was. result is
 *  filled as infer_generate_chat does. */
infer_status chat_say(struct chat *chat, infer_session *session, infer_sampler *sampler, const char *text,
                      size_t length, const infer_generate_options *options, infer_generate_result *result,
                      infer_error *err);
/** Have what was said last answered once more, instead of the answer that there is. INFER_E_ARGUMENT if nothing was
 *  said. */
infer_status chat_again(struct chat *chat, infer_session *session, infer_sampler *sampler,
                        const infer_generate_options *options, infer_generate_result *result, infer_error *err);

/** Messages so far. */
size_t chat_length(const struct chat *chat);
/** A message, as if it had been said. */
infer_status chat_add(struct chat *chat, const char *role, const char *text, size_t length, infer_error *err);
/** The message that the conversation begins with, NULL if there is none; or another one, "" is none. */
const char *chat_system(const struct chat *chat);
infer_status chat_set_system(struct chat *chat, const char *text, infer_error *err);
/** Forget all but that one. */
void chat_clear(struct chat *chat);
/** Write the conversation to a file, as a JSON array of messages; and read one instead of what there is. */
infer_status chat_save(const struct chat *chat, const char *path, infer_error *err);
infer_status chat_load(struct chat *chat, const char *path, infer_error *err);

#endif
