"""Reporting: tables, figures, the report and the page of episodes, all from what was recorded.

Its modules:

    source              what tables are made from; tables, task_tables: every table
    case_table          the case studies as a table; case_figure: as a figure
    style, marks        how figures look, and what several draw; plots: one function a figure
    exhibits            the title of each table and figure, and how to read it
    comparison          tables of the report that gather rows of the others
    finding, forest     the report in ten seconds; a claim's intervals as a strip
    glossary            the words that are explained; run_facts: where and with what it was made
    report              the report, one page; claims_table: README's table of claims
    timeline            an episode's fork-join timeline; timeline_picture: as an SVG card; explanation: in words
    page_record         what is shown of one episode; page: the page of episodes
"""
