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
    { "command-r", "{{- bos_token -}}\n"
                   "{%- set names = {'system': 'SYSTEM', 'user': 'USER', 'assistant': 'CHATBOT'} -%}\n" EACH(
                       "'<|START_OF_TURN_TOKEN|><|' ~ names[message.role] ~ '_TOKEN|>'", "'<|END_OF_TURN_TOKEN|>'",
                       "'<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>'") },
    { "deepseek", "{{- bos_token -}}\n"
                  "{%- for message in messages -%}\n"
                  "{%- if message.role == 'system' -%}{{- message.content ~ '\\n\\n' -}}\n"
                  "{%- elif message.role == 'user' -%}{{- 'User: ' ~ message.content ~ '\\n\\n' -}}\n"
                  "{%- else -%}{{- 'Assistant: ' ~ message.content ~ eos_token -}}\n"
                  "{%- endif -%}{%- endfor -%}\n"
                  "{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}" },
    { "deepseek3", "{{- bos_token -}}\n"
                   "{%- for message in messages -%}\n"
                   "{%- if message.role == 'system' -%}{{- message.content -}}\n"
                   "{%- elif message.role == 'user' -%}{{- '<｜User｜>' ~ message.content -}}\n"
                   "{%- else -%}{{- '<｜Assistant｜>' ~ message.content ~ eos_token -}}\n"
                   "{%- endif -%}{%- endfor -%}\n"
                   "{%- if add_generation_prompt -%}{{- '<｜Assistant｜>' -}}{%- endif -%}" },
    { "gemma", "{{- bos_token -}}\n" SYSTEM_FIRST "{%- for message in messages -%}\n"
               "{{- '<start_of_turn>' ~ ('model' if message.role == 'assistant' else message.role) ~ '\\n' ~\n"
               "    (ns.system if message.role == 'user' else '') ~ message.content | trim ~ '<end_of_turn>\\n' -}}\n"
               "{%- if message.role == 'user' -%}{%- set ns.system = '' -%}{%- endif -%}\n"
               "{%- endfor -%}\n"
               "{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}" },
    { "granite", EACH("'<|start_of_role|>' ~ message.role ~ '<|end_of_role|>'", "'<|end_of_text|>\\n'",
                      "'<|start_of_role|>assistant<|end_of_role|>'") },
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
    { "llama3", "{{- bos_token -}}\n" EACH("'<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\\n\\n'",
                                           "'<|eot_id|>'", "'<|start_header_id|>assistant<|end_header_id|>\\n\\n'") },
    { "mistral", "{{- bos_token -}}\n" SYSTEM_FIRST "{%- for message in messages -%}\n"
                 "{%- if message.role == 'user' -%}\n"
                 "{{- '[INST] ' ~ ns.system ~ message.content ~ ' [/INST]' -}}{%- set ns.system = '' -%}\n"
                 "{%- else -%}{{- ' ' ~ message.content ~ eos_token -}}\n"
                 "{%- endif -%}{%- endfor -%}" },
    { "openchat",
      "{{- bos_token -}}\n" EACH("('' if message.role == 'system' else 'GPT4 Correct ' ~ message.role | title ~ ': ')",
                                 "'<|end_of_turn|>'", "'GPT4 Correct Assistant:'") },
    { "phi3", EACH("'<|' ~ message.role ~ '|>\\n'", "'<|end|>\\n'", "'<|assistant|>\\n'") },
    { "phi4",
      EACH("'<|im_start|>' ~ message.role ~ '<|im_sep|>'", "'<|im_end|>'", "'<|im_start|>assistant<|im_sep|>'") },
    { "vicuna", "{%- for message in messages -%}\n"
                "{%- if message.role == 'system' -%}{{- message.content ~ '\\n\\n' -}}\n"
                "{%- elif message.role == 'user' -%}{{- 'USER: ' ~ message.content ~ '\\n' -}}\n"
                "{%- else -%}{{- 'ASSISTANT: ' ~ message.content ~ eos_token ~ '\\n' -}}\n"
                "{%- endif -%}{%- endfor -%}\n"
                "{%- if add_generation_prompt -%}{{- 'ASSISTANT:' -}}{%- endif -%}" },
    { "zephyr", EACH("'<|' ~ message.role ~ '|>\\n'", "eos_token ~ '\\n'", "'<|assistant|>\\n'") },
};
const size_t n_chat_builtins = sizeof chat_builtins / sizeof *chat_builtins;
