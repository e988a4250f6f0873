"""Reporting: tables, figures, the report and the page of episodes, all from what was recorded."""
