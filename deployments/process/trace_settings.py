"""What an operator may choose about traces; they are a part of the settings, which alone read the environment."""

from __future__ import annotations

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from deployments.access.settings import AccessSettings


class TraceSettings(AccessSettings):
    """Where traces go, and what they tell."""

    model_config = SettingsConfigDict(populate_by_name=True)

    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("RAYLOGUE_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where traces go: a collector that takes OTLP over HTTP (docs/tracing.md). Unset: nowhere.",
    )
    otlp_traces_url: str | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        description="The same for traces alone, with the path.",
    )
    trace_content: bool = Field(False, description="Whether traces have what people, models and tools have said, too.")

    @property
    def traces_url(self) -> str | None:
        """Where spans are posted, if they are recorded."""
        return self.otlp_traces_url or (self.otlp_endpoint and self.otlp_endpoint.rstrip("/") + "/v1/traces")
