"""The public status page as data: what the outside may read, made from policy, incidents and a given time.

Nothing of an incident is public but its external updates. How the page looks is
`templates/status_page/`; where the incidents come from is `records/status_page.py`.
"""
