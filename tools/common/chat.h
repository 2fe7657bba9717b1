/* chat.h - a conversation with a model in a terminal: what was said so far, and how answers are shown.
 *
 * Each turn the whole conversation is written anew, as the template may write earlier turns otherwise than they were
 * generated (without their reasoning, say); what the session holds of it already is not computed again. */
#ifndef TOOLS_COMMON_CHAT_H
#define TOOLS_COMMON_CHAT_H

#include "infer.h"

struct chat;

/** @param setup  how the model is talked with; its `now` is the clock on the wall here.
 *  @param system message to begin with, or NULL.
 *  @param dim    reasoning is written in grey, for terminals.
 *  NULL on failure. */
struct chat *chat_open(infer_model *model, const infer_chat_setup *setup, const char *system, bool dim,
                       infer_error *err);
void chat_close(struct chat **chat);
/** Say something; the answer goes to options->on_text, reasoning, content and calls of tools in their order. Both
 *  become part of the conversation, of an answer that was stopped what there is. A failure before the answer began
 *  leaves the conversation as it was. result is filled as infer_generate_chat does. */
infer_status chat_say(struct chat *chat, infer_session *session, infer_sampler *sampler, const char *text, size_t length,
                      const infer_generate_options *options, infer_generate_result *result, infer_error *err);

#endif
