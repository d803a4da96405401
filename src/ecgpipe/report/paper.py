"""The figures that the paper prints: tables 1 to 4 (doi:10.4108/eai.11.11675, retracted): claims to test."""

METRICS = ("accuracy", "specificity", "recall", "precision", "f1")

TABLE_1 = {
    "cardiac-images": {"name": "ECG Images Dataset of Cardiac Patients", "classes": 4, "records": 928},
    "ptb-xl": {"name": "PTB-XL", "classes": 5, "records": 21837},
}

TABLE_2 = {
    "resnet34": (0.9672, 0.9889, 0.9607, 0.9879, 0.9600),
    "vit": (0.9727, 0.9907, 0.9652, 0.9886, 0.9722),
    "mobilevit": (0.9781, 0.9925, 0.9781, 0.9783, 0.9781),
    "swin": (0.9891, 0.9966, 0.9891, 0.9897, 0.9890),
    "convnext": (0.9891, 0.9964, 0.9891, 0.9893, 0.9891),
    "swin_lgf_fpn": (0.9945, 0.9983, 0.9945, 0.9947, 0.9945),
}

TABLE_3 = {
    "resnet34": (0.7698, 0.9257, 0.7698, 0.7717, 0.7604),
    "vit": (0.7713, 0.9257, 0.7713, 0.7690, 0.7630),
    "mobilevit": (0.7727, 0.9286, 0.7727, 0.7700, 0.7676),
    "swin": (0.7779, 0.9334, 0.7779, 0.7804, 0.7764),
    "convnext": (0.7765, 0.9336, 0.7765, 0.7752, 0.7733),
    "swin_lgf_fpn": (0.7894, 0.9336, 0.7894, 0.7840, 0.7842),
}

TABLE_4 = {
    "swin": (0.7779, 0.9334, 0.7779, 0.7804, 0.7764),
    "swin_lgf_fpn_no_lgf": (0.7843, 0.9326, 0.7843, 0.7788, 0.7797),
    "swin_lgf_fpn_no_fpn": (0.7819, 0.9267, 0.7819, 0.7761, 0.7694),
    "swin_lgf_fpn_no_refine": (0.7860, 0.9314, 0.7860, 0.7829, 0.7804),
    "swin_lgf_fpn": (0.7894, 0.9336, 0.7894, 0.7840, 0.7842),
}

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
    "folds": "PTB-XL's own folds: one stops training, one is reported, the others train",
    "unique": "random, all copies of an item (and all records of a patient) on one side; the test part is reported",
}
