"""The schedule with which a trained network samples best in a given number of evaluations."""

from priordiff.search.candidates import SAMPLERS
from priordiff.search.saving import use_schedules
from priordiff.search.schedule_search import ScheduleSearch, Trial, search_schedule
from priordiff.search.table import quality_table

__all__ = ["SAMPLERS", "ScheduleSearch", "Trial", "quality_table", "search_schedule", "use_schedules"]
