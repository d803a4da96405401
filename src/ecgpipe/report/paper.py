"""The figures that the paper prints: tables 1 to 4 (doi:10.4108/eai.11.11675, retracted): claims to test."""

from ecgpipe.paper import the_paper

METRICS = ("accuracy", "specificity", "recall", "precision", "f1")

TABLE_1 = {
    "cardiac-images": {"name": "ECG Images Dataset of Cardiac Patients", "classes": 4, "records": 928},
    "ptb-xl": {"name": "PTB-XL", "classes": 5, "records": 21837},
}

TABLE_2, TABLE_3, TABLE_4 = (
    {model: tuple(row.values()) for model, row in table.rows.items()} for table in the_paper().tables
)
"""Model -> the figures of METRICS."""

TABLES = {
    "cardiac-images": (("Table 2: comparison with baselines", TABLE_2),),
    "ptb-xl": (("Table 3: comparison with baselines", TABLE_3), ("Table 4: ablations", TABLE_4)),
}

NAMES = {
    "resnet34": "ResNet-34",
    "vit": "Vision Transformer",
    "mobilevit": "MobileViT",
    "swin": "Swin Transformer (backbone only)",
    "convnext": "ConvNeXt",
    "swin_lgf_fpn": "Swin-LGF-FPN",
    "swin_lgf_fpn_no_lgf": "without LGF module",
    "swin_lgf_fpn_no_fpn": "without FPN neck",
    "swin_lgf_fpn_no_refine": "without refinement",
}
DATASETS = {
    "ptb-xl": "PTB-XL",
    "cardiac-images": "ECG Images dataset of Cardiac Patients",
    "simulated": "Simulated records",
}
PROTOCOLS = {
    "paper": "random by record; the validation part both stops training and is reported, as in the paper",
    "patient": "random, no patient on two sides; the test part is reported",
    "folds": "the data set's own folds: one stops training, one is reported, the others train",
    "unique": "random, all copies of an item (and all records of a patient) on one side; the test part is reported",
}
