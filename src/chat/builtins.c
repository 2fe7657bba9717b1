/* builtins.c - the common ways to write a conversation, for models that bring no template. */
#include "src/chat/chat.h"

/* A system message that the format has no place for goes before the first message of the user. */
#define SYSTEM_FIRST                                                                                                   \
    "{%- set ns = namespace(system='') -%}\n"                                                                          \
    "{%- if messages and messages[0].role == 'system' -%}\n"                                                           \
    "{%- set ns.system = messages[0].content ~ '\\n\\n' -%}{%- set messages = messages[1:] -%}\n"                      \
    "{%- endif -%}\n"

/* Each message between a beginning with its role and an end. */
#define EACH(begin, end, prompt)                                                                                       \
    "{%- for message in messages -%}\n"                                                                                \
    "{{- " begin " ~ message.content ~ " end " -}}\n"                                                                  \
    "{%- endfor -%}\n"                                                                                                 \
    "{%- if add_generation_prompt -%}{{- " prompt " -}}{%- endif -%}"

const struct chat_builtin chat_builtins[] = {
    { "alpaca", "{%- for message in messages -%}\n"
                "{%- if message.role == 'system' -%}{{- message.content ~ '\\n\\n' -}}\n"
                "{%- elif message.role == 'user' -%}{{- '### Instruction:\\n' ~ message.content ~ '\\n\\n' -}}\n"
                "{%- else -%}{{- '### Response:\\n' ~ message.content ~ eos_token ~ '\\n\\n' -}}\n"
                "{%- endif -%}{%- endfor -%}\n"
                "{%- if add_generation_prompt -%}{{- '### Response:\\n' -}}{%- endif -%}" },
    { "chatml", EACH("'<|im_start|>' ~ message.role ~ '\\n'", "'<|im_end|>\\n'", "'<|im_start|>assistant\\n'") },
    { "deepseek", "{{- bos_token -}}\n"
                  "{%- for message in messages -%}\n"
                  "{%- if message.role == 'system' -%}{{- message.content ~ '\\n\\n' -}}\n"
                  "{%- elif message.role == 'user' -%}{{- 'User: ' ~ message.content ~ '\\n\\n' -}}\n"
                  "{%- else -%}{{- 'Assistant: ' ~ message.content ~ eos_token -}}\n"
                  "{%- endif -%}{%- endfor -%}\n"
                  "{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}" },
    { "gemma", "{{- bos_token -}}\n" SYSTEM_FIRST
               "{%- for message in messages -%}\n"
               "{{- '<start_of_turn>' ~ ('model' if message.role == 'assistant' else message.role) ~ '\\n' ~\n"
               "    (ns.system if message.role == 'user' else '') ~ message.content | trim ~ '<end_of_turn>\\n' -}}\n"
               "{%- if message.role == 'user' -%}{%- set ns.system = '' -%}{%- endif -%}\n"
               "{%- endfor -%}\n"
               "{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}" },
    { "llama2", "{%- set ns = namespace(system='') -%}\n"
                "{%- if messages and messages[0].role == 'system' -%}\n"
                "{%- set ns.system = '<<SYS>>\\n' ~ messages[0].content ~ '\\n<</SYS>>\\n\\n' -%}\n"
                "{%- set messages = messages[1:] -%}\n"
                "{%- endif -%}\n"
                "{%- for message in messages -%}\n"
                "{%- if message.role == 'user' -%}\n"
                "{{- bos_token ~ '[INST] ' ~ ns.system ~ message.content | trim ~ ' [/INST]' -}}\n"
                "{%- set ns.system = '' -%}\n"
                "{%- else -%}{{- ' ' ~ message.content | trim ~ ' ' ~ eos_token -}}\n"
                "{%- endif -%}{%- endfor -%}" },
    { "llama3", "{{- bos_token -}}\n"
        EACH("'<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\\n\\n'", "'<|eot_id|>'",
             "'<|start_header_id|>assistant<|end_header_id|>\\n\\n'") },
    { "mistral", "{{- bos_token -}}\n" SYSTEM_FIRST
                 "{%- for message in messages -%}\n"
                 "{%- if message.role == 'user' -%}\n"
                 "{{- '[INST] ' ~ ns.system ~ message.content ~ ' [/INST]' -}}{%- set ns.system = '' -%}\n"
                 "{%- else -%}{{- ' ' ~ message.content ~ eos_token -}}\n"
                 "{%- endif -%}{%- endfor -%}" },
    { "phi3", EACH("'<|' ~ message.role ~ '|>\\n'", "'<|end|>\\n'", "'<|assistant|>\\n'") },
    { "vicuna", "{%- for message in messages -%}\n"
                "{%- if message.role == 'system' -%}{{- message.content ~ '\\n\\n' -}}\n"
                "{%- elif message.role == 'user' -%}{{- 'USER: ' ~ message.content ~ '\\n' -}}\n"
                "{%- else -%}{{- 'ASSISTANT: ' ~ message.content ~ eos_token ~ '\\n' -}}\n"
                "{%- endif -%}{%- endfor -%}\n"
                "{%- if add_generation_prompt -%}{{- 'ASSISTANT:' -}}{%- endif -%}" },
    { "zephyr", EACH("'<|' ~ message.role ~ '|>\\n'", "eos_token ~ '\\n'", "'<|assistant|>\\n'") },
};
const size_t n_chat_builtins = sizeof chat_builtins / sizeof *chat_builtins;
