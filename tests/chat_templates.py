"""Chat templates as instruction-tuned models have them, shortened."""

TURN = "<|im_start|>{{ turn.role }}\n{{ turn.content }}<|im_end|>\n"
ASKING = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
QWEN = f"{{% for turn in messages %}}{TURN}{{% endfor %}}{ASKING}"
# Qwen3's: without a reasoning its answer begins behind an empty one.
SWITCHES = (
    QWEN.removesuffix("{% endif %}")
    + "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
# DeepSeek-R1's: it always reasons.
ALWAYS_REASONS = QWEN.removesuffix("{% endif %}") + "<think>\n{% endif %}"
# Gemma's: it begins with BOS and has no system role.
REFUSES_SYSTEM = (
    "{{ bos_token }}{% for turn in messages %}{% if turn.role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}" + TURN + "{% endfor %}" + ASKING
)
LEAVES_SYSTEM_OUT = "{% for turn in messages %}{% if turn.role == 'user' %}" + TURN + "{% endif %}{% endfor %}" + ASKING
# Llama 3's and SmolLM3's tell the day.
TELLS_THE_DAY = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "{{ date_string }}, {{ strftime_now('%d %B %Y') }}\n" + QWEN
)
TAKES_NOTHING = "{{ raise_exception('only tools') }}"
FAILS = "{{ 1 / 0 }}"
# As of models that see images: what a turn says is a list of parts.
IN_PARTS = "{% for turn in messages %}{% for part in turn.content %}{{ part['text'] }}{% endfor %}{% endfor %}" + ASKING
NEEDS_SYSTEM = "{% if messages[0].role != 'system' %}{{ raise_exception('whose role?') }}{% endif %}" + QWEN
