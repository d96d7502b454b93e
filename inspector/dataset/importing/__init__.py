"""Makes a manifest of data sets in common forms: folders, MVTec AD, COCO, YOLO, tables, named recordings."""
