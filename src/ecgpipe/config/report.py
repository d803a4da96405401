"""What the report shows."""

from pydantic import Field

from ecgpipe.config.section import Section


class ReportConfig(Section):
    """The HTML report."""

    title: str = Field("ECG image classification: Swin-LGF-FPN, rebuilt and measured", description="page title")
    examples: int = Field(1, ge=0, le=10, description="example pages shown per class")
    explorer_pictures: int = Field(
        120,
        ge=0,
        le=2000,
        description="records whose page and image the explorer holds, about 60 kB each; all others are listed without",
    )
