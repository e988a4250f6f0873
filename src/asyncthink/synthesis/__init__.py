"""Demonstrations and documents: structures, teachers that write along them, the format filter, the base's corpus.

Its modules:

    assignment          what any teacher is asked for
    structures          random sequences of an organizer's actions
    solver_teacher      the teacher without a network; pieces: search within a budget; surfaces: as text
    openai_teacher      the teacher behind an API; lessons: what it is asked, one demonstration each
    openai_client       one request, asked until it is answered; openai_batch: many, at half the price
    chat_completion     what is sent and comes back; teacher_faults: what can go wrong with it
    response_journal    every answer, kept; budget: what a teacher may cost; cost_estimate: what it would
    demonstration       what a teacher wrote; replay: as an episode; format_filter: which are kept
    documents           the base model's corpus; sudoku_documents: its Sudoku
"""
