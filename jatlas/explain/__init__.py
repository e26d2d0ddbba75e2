"""What the cells of an atlas mean."""
